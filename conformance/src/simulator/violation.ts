/** A promise that does not hold; `oracle` is the id of the invariant, for example `O3`. */
export class Violation extends Error {
  readonly oracle: string;

  constructor(oracle: string, what: string) {
    super(`${oracle}: ${what}`);
    this.name = "Violation";
    this.oracle = oracle;
  }
}
