import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { decodeFrame, encodeFrame, isHayloftError } from "@hayloft/engine";
import { describe, expect, it } from "vitest";
import type { ReadCommit } from "./body-reader.ts";
import { Refused } from "./cbor-reader.ts";
import { BodyReader, readColumn } from "./column-reader.ts";
import { readFrame } from "./frame-reader.ts";
import type { ColumnVector, FrameVector } from "./make-vectors.ts";
import { asJson, columnBytes } from "./make-vectors.ts";
import { columnPage, sampleColumns, sampleFrames } from "./sample-frames.ts";

const load = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../vectors/${name}.json`, import.meta.url), "utf8"));
const unhex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const sha256 = (...parts: readonly (string | Uint8Array)[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

interface HashVectors {
  readonly parts: readonly { previous: string; digests: readonly string[]; digest: string }[];
  readonly changes: readonly { table: string; op: string; columns: readonly string[]; body: string; digest: string }[];
  readonly commits: readonly {
    tenant: string;
    origin: string;
    seq: number;
    stamp: string;
    node: string;
    author: string | null;
    catalogVersion: number;
    previousHash: string;
    digests: readonly string[];
    hash: string;
  }[];
  readonly rows: readonly RowVector[];
}

interface RowVector {
  readonly values: readonly (string | null)[];
  readonly text: string;
  readonly digest: string;
}

interface ProofVector {
  readonly role: string;
  readonly publicKey: string;
  readonly childNonce: string;
  readonly parentNonce: string;
  readonly child: string;
  readonly parent: string;
  readonly signed: string;
  readonly signature: string;
}

describe("frame vectors", () => {
  const vectors = load("frames") as readonly FrameVector[];

  it("there is one for every sample", () => {
    expect(vectors.map(({ name }) => name)).toEqual(Object.keys(sampleFrames));
  });

  it.each(vectors.map((vector) => [vector.name, vector] as const))(
    "a second implementation reads the bytes of %s",
    (_, vector) => {
      const { fields, body, content } = readFrame(unhex(vector.bytes));
      expect(asJson(fields)).toEqual(vector.fields);
      expect(body === null ? null : hex(body)).toBe(vector.body);
      expect(asJson(content)).toEqual(vector.content);
    },
  );

  it.each(vectors.map((vector) => [vector.name, vector] as const))("the engine reads and writes %s", (name, vector) => {
    const frame = sampleFrames[name];
    if (frame === undefined) throw new Error("no such sample");
    expect(decodeFrame(unhex(vector.bytes))).toEqual(frame);
    // Deflate may give other bytes in another zlib, so frames with a body are compared inflated.
    const written = readFrame(encodeFrame(frame));
    expect(asJson(written.fields)).toEqual(vector.fields);
    expect(vector.body === null ? hex(encodeFrame(frame)) : vector.bytes).toBe(vector.bytes);
  });

  it("the commits in them hash to what they carry, by the specification alone", () => {
    const commits = vectors.find(({ name }) => name === "commits of two origins")?.content as readonly ReadCommit[];
    for (const commit of commits) {
      const head = [commit.origin, commit.seq, commit.stamp, "acme", commit.node, commit.author ?? "", commit.catalogVersion].map(
        (part) => `${String(part)}\n`,
      );
      const digests = commit.changes.map((change) =>
        unhex(sha256([change.table, change.op, change.columns.join(","), JSON.stringify(change.values)].join("\n"))),
      );
      expect(sha256(unhex(commit.previousHash), head.join(""), ...digests)).toBe(commit.hash);
    }
  });
});

describe("part vectors", () => {
  it("the running digest of parts is the documented bytes", () => {
    const frames = load("frames") as readonly FrameVector[];
    const parts = frames.filter(({ name }) => name.startsWith("part,"));
    let before: Uint8Array | null = null;
    for (const { content, fields } of parts) {
      const [commit] = content as readonly ReadCommit[];
      if (commit === undefined) throw new Error("a part without its commit");
      const digests = commit.changes.map((change) =>
        unhex(sha256([change.table, change.op, change.columns.join(","), JSON.stringify(change.values)].join("\n"))),
      );
      before = unhex(sha256(before ?? unhex(commit.hash), ...digests));
      expect((fields as { digest: unknown }).digest).toEqual({ $hex: hex(before) });
    }
    expect(parts).toHaveLength(2);
  });

  it("the digests they are made of are listed", () => {
    const { parts } = load("hashes") as HashVectors;
    for (const { previous, digests, digest } of parts) expect(sha256(unhex(previous), ...digests.map(unhex))).toBe(digest);
    expect(parts).toHaveLength(2);
  });
});

describe("column vectors", () => {
  const vectors = load("columns") as readonly ColumnVector[];

  it("there is one for every sample", () => {
    expect(Object.fromEntries(vectors.map(({ name, values }) => [name, values]))).toEqual(sampleColumns);
  });

  it.each(vectors.map((vector) => [vector.name, vector] as const))("both implementations agree on %s", (_, vector) => {
    const reader = new BodyReader(unhex(vector.bytes));
    expect(readColumn(reader, vector.values.length, [])).toEqual(vector.values);
    expect(reader.at).toBe(reader.bytes.length);
    const { body } = readFrame(encodeFrame(columnPage(vector.values)));
    expect(hex(columnBytes(body ?? new Uint8Array(0), vector.values.length))).toBe(vector.bytes);
  });

  it("every kind of column has a vector", () => {
    const kinds = new Set(vectors.map(({ bytes }) => (unhex(bytes)[0] ?? 0) & 127));
    // Kind 8, the same as an earlier column, needs two columns: the frame vectors have it.
    expect([...kinds].toSorted((left, right) => left - right)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});

describe("hash vectors", () => {
  const { changes, commits } = load("hashes") as HashVectors;

  it("digests are the documented bytes", () => {
    for (const { table, op, columns, body, digest } of changes)
      expect(sha256(`${table}\n${op}\n${columns.join(",")}\n${body}`)).toBe(digest);
  });

  it("hashes are the documented bytes", () => {
    for (const { origin, seq, stamp, tenant, node, author, catalogVersion, previousHash, digests, hash } of commits) {
      const head = `${origin}\n${String(seq)}\n${stamp}\n${tenant}\n${node}\n${author ?? ""}\n${String(catalogVersion)}\n`;
      expect(sha256(unhex(previousHash), head, ...digests.map(unhex))).toBe(hash);
    }
  });
});

describe("row vectors", () => {
  const { rows } = load("hashes") as HashVectors;

  /** The values that a text says: read sign by sign, as a stranger would. */
  const valuesOf = (text: string): readonly (string | null)[] => {
    const values: (string | null)[] = [""];
    for (let at = 0; at < text.length; at += 1) {
      const sign = text.charAt(at);
      const last = values.length - 1;
      if (sign !== "\u001F") {
        values[last] = `${values[last] ?? ""}${sign}`;
        continue;
      }
      at += 1;
      if (text.charAt(at) === "\u001E") values.push("");
      else values[last] = text.charAt(at) === "0" ? null : `${values[last] ?? ""}\u001F`;
    }
    return values;
  };

  it("R-24-2 the text of a row says its values and nothing else, and its md5 is the digest", () => {
    for (const { values, text, digest } of rows) {
      expect(valuesOf(text)).toEqual(values);
      expect(createHash("md5").update(text, "utf8").digest("hex")).toBe(digest);
    }
    expect(new Set(rows.map(({ digest }) => digest)).size).toBe(6);
  });
});

describe("proof vectors", () => {
  it.each((load("proofs") as readonly ProofVector[]).map((vector) => [vector.role, vector] as const))(
    "the %s signs the documented bytes",
    (_, vector) => {
      const parts = [
        `hayloft/1 ${vector.role}`,
        unhex(vector.childNonce),
        unhex(vector.parentNonce),
        vector.child,
        vector.parent,
      ];
      const signed = Buffer.concat(parts.map((part) => Buffer.from(part)));
      expect(signed.toString("hex")).toBe(vector.signed);
      const key = createPublicKey({
        key: Buffer.from(`302a300506032b6570032100${vector.publicKey}`, "hex"),
        format: "der",
        type: "spki",
      });
      expect(verify(null, signed, key, unhex(vector.signature))).toBe(true);
    },
  );
});

describe("refused vectors", () => {
  it.each((load("refused") as readonly { name: string; bytes: string }[]).map(({ name, bytes }) => [name, bytes] as const))(
    "F-B11 both implementations refuse %s",
    (_, bytes) => {
      expect(() => readFrame(unhex(bytes))).toThrow(Refused);
      let code: string | null = null;
      try {
        decodeFrame(unhex(bytes));
      } catch (error) {
        code = isHayloftError(error) ? error.code : "another error";
      }
      expect(code).toBe("frame-invalid");
    },
  );
});
