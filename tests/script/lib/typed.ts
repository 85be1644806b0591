// Types first: what is thrown below has to name the line here, not that of the JavaScript.
export type Numeric = number;
interface Unused {
  a: string;
}

export const double = (n: Numeric): Numeric => {
  if (n === null) {
    throw new Error('no number');
  }
  return n * 2;
};
