import { a } from './esm.js';
export const b = 2;
export const getA = () => a;
