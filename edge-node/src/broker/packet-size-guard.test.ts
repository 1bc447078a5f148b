import { expect, it } from "vitest";
import { PacketSizeGuard } from "./packet-size-guard.ts";

/** A PUBLISH with a body of so many bytes; the length is coded as MQTT says. */
function packet(bodyBytes: number): Uint8Array {
  const head = [0x30];
  let rest = bodyBytes;
  do {
    head.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return new Uint8Array([...head, ...new Uint8Array(bodyBytes)]);
}

it.each([1, 2, 3, 7, 1000])("follows packets over chunks of %i bytes", (chunkBytes) => {
  const stream = Buffer.concat([0, 1, 127, 128, 300, 0, 16_384, 20_000].map(packet));
  const guard = new PacketSizeGuard(20_000);
  let accepted = true;
  for (let at = 0; at < stream.length; at += chunkBytes) accepted &&= guard.accepts(stream.subarray(at, at + chunkBytes));
  expect(accepted).toBe(true);
  expect(guard.accepts(packet(20_001))).toBe(false);
});

it("cuts at the declared length, before the body comes", () => {
  expect(new PacketSizeGuard(65_536).accepts(new Uint8Array([0x30, 0xff, 0xff, 0xff, 0x7f]))).toBe(false);
});

it("cuts a length of more than four bytes", () => {
  expect(new PacketSizeGuard(2 ** 40).accepts(new Uint8Array([0x30, 0x80, 0x80, 0x80, 0x80, 0x01]))).toBe(false);
});
