import { invalid } from "../invalid.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { SIGNED_END } from "./byte-writer.ts";

/** True when every number, and every step from one to the next (the first from 0), can be written by `writeNumbers`. */
export function stepsFit(numbers: Float64Array): boolean {
  let last = 0;
  for (let index = 0; index < numbers.length; index += 1) {
    const number = numbers[index] ?? 0;
    const step = number - last;
    if (step >= SIGNED_END || step <= -SIGNED_END || number >= SIGNED_END || number <= -SIGNED_END) return false;
    last = number;
  }
  return true;
}

/** The steps from one number to the next, the first from 0. */
export function writeSteps(writer: ByteWriter, numbers: Float64Array): void {
  let last = 0;
  for (let index = 0; index < numbers.length; index += 1) {
    const number = numbers[index] ?? 0;
    writer.signed(number - last);
    last = number;
  }
}

/** Reads steps and sums them up; every sum is within ±`SIGNED_END`. */
export function readSteps(reader: ByteReader, count: number): Float64Array {
  checkCount(reader, count);
  const numbers = new Float64Array(count);
  let last = 0;
  for (let index = 0; index < count; index += 1) {
    last += reader.signed();
    if (last >= SIGNED_END || last <= -SIGNED_END) throw invalid("body", "numbers within their range");
    numbers[index] = last;
  }
  return numbers;
}

export function writeNumbers(writer: ByteWriter, numbers: Float64Array): void {
  for (let index = 0; index < numbers.length; index += 1) writer.signed(numbers[index] ?? 0);
}

export function readNumbers(reader: ByteReader, count: number): Float64Array {
  checkCount(reader, count);
  const numbers = new Float64Array(count);
  for (let index = 0; index < count; index += 1) {
    const number = reader.signed();
    if (number >= SIGNED_END || number <= -SIGNED_END) throw invalid("body", "numbers within their range");
    numbers[index] = number;
  }
  return numbers;
}

/** About how many bytes the two forms take: the lengths of the numbers against the lengths of the steps. */
export function stepsAreShorter(numbers: Float64Array): boolean {
  let plain = 0;
  let steps = 0;
  let last = 0;
  for (let index = 0; index < numbers.length; index += 1) {
    const number = numbers[index] ?? 0;
    plain += bits(number);
    steps += bits(number - last);
    last = number;
  }
  return steps < plain;
}

/** Significant bits, roughly; 32 stands for anything longer. */
const bits = (number: number): number => 32 - Math.clz32(Math.min(Math.abs(number), 0xffff_ffff));

/** A number takes at least one byte: nothing is allocated for more than there can be. */
function checkCount(reader: ByteReader, count: number): void {
  if (count > reader.left) throw invalid("body", "a whole body");
}
