/** An exact decimal number: `digits` divided by ten to the power of `scale`. */
export interface Decimal {
  readonly digits: bigint;
  readonly scale: number;
}

/** Reads Postgres' text form of a number; null for `NaN`, infinities, exponents and anything else. */
export function parseDecimal(value: string): Decimal | null {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(value);
  if (match === null) return null;
  const [, minus = "", whole = "", fraction = ""] = match;
  const digits = BigInt(`${whole}${fraction}` === "" ? "0" : `${whole}${fraction}`);
  return { digits: minus === "-" ? -digits : digits, scale: fraction.length };
}

const atScale = ({ digits, scale }: Decimal, wanted: number): bigint => digits * 10n ** BigInt(wanted - scale);

/** The exact sum. */
export function addDecimals(left: Decimal, right: Decimal): Decimal {
  const scale = Math.max(left.scale, right.scale);
  return { digits: atScale(left, scale) + atScale(right, scale), scale };
}

/** -1, 0 or 1. */
export function compareDecimals(left: Decimal, right: Decimal): number {
  const scale = Math.max(left.scale, right.scale);
  const [a, b] = [atScale(left, scale), atScale(right, scale)];
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The text form with exactly `scale` digits after the point; further digits are cut. */
export function decimalText({ digits, scale }: Decimal, wanted: number): string {
  const cut = scale > wanted ? digits / 10n ** BigInt(scale - wanted) : atScale({ digits, scale }, wanted);
  const text = (cut < 0n ? -cut : cut).toString().padStart(wanted + 1, "0");
  const sign = cut < 0n ? "-" : "";
  return wanted === 0 ? `${sign}${text}` : `${sign}${text.slice(0, -wanted)}.${text.slice(-wanted)}`;
}
