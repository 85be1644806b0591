declare module 'virtual:land' {
  export const land: string;
}
