import { b } from './cycle.js';
export const a = 1;
export default class Thing {
  static count = 5;
  #hidden = 1;
  hidden() {
    return this.#hidden;
  }
}
export const fromCycle = () => b;
export const text = open('../data/list.json');
export const url = import.meta.resolve('./x.txt');
