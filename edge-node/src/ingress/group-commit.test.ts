import { describe, expect, it } from "vitest";
import { GroupCommit } from "./group-commit.ts";

const limits = { delayMs: 5, itemsMax: 100, bytesMax: 10_000, pendingMax: 1000, writesMax: 1 };

/** A writer whose writes, running or to come, end when the test releases them. */
function heldWriter() {
  const groups: (readonly number[])[] = [];
  const waiting: ((error?: Error) => void)[] = [];
  const allowed: (Error | undefined)[] = [];
  const settle = (): void => {
    while (waiting.length > 0 && allowed.length > 0) waiting.shift()?.(allowed.shift());
  };
  const write = (items: readonly number[]): Promise<readonly number[]> => {
    groups.push(items);
    return new Promise((resolve, reject) => {
      waiting.push((error) => (error === undefined ? resolve(items.map((item) => item * 10)) : reject(error)));
      settle();
    });
  };
  const release = (error?: Error): void => {
    allowed.push(error);
    settle();
  };
  return { groups, write, release };
}

describe("group commit", () => {
  it("writes together what comes together, and answers each its own result", async () => {
    const groups: (readonly number[])[] = [];
    const commit = new GroupCommit<number, number>({
      ...limits,
      write: (items) => {
        groups.push(items);
        return Promise.resolve(items.map((item) => item * 10));
      },
    });
    expect(await Promise.all([1, 2, 3].map((item) => commit.submit(item, 1)))).toEqual([10, 20, 30]);
    expect(groups).toEqual([[1, 2, 3]]);
  });

  it("gathers what comes during a write into the next group", async () => {
    const writer = heldWriter();
    const commit = new GroupCommit<number, number>({ ...limits, itemsMax: 1, write: writer.write });
    const first = commit.submit(1, 1);
    const later = [2, 3].map((item) => commit.submit(item, 1));
    expect(writer.groups).toEqual([[1]]);
    expect(commit.pending).toBe(2);
    writer.release();
    expect(await first).toBe(10);
    writer.release();
    expect(await later[0]).toBe(20);
    writer.release();
    expect(await later[1]).toBe(30);
  });

  it("hands a second group over before the first is answered, but only a full one", async () => {
    const writer = heldWriter();
    const commit = new GroupCommit<number, number>({ ...limits, itemsMax: 2, writesMax: 2, write: writer.write });
    const items = [1, 2, 3].map((item) => commit.submit(item, 1));
    expect(writer.groups).toEqual([[1, 2]]);
    items.push(...[4, 5, 6, 7].map((item) => commit.submit(item, 1)));
    expect(writer.groups).toEqual([
      [1, 2],
      [3, 4],
    ]);
    writer.release();
    expect(await items[1]).toBe(20);
    await items[0];
    expect(writer.groups.slice(2)).toEqual([[5, 6]]);
    for (let group = 0; group < 3; group++) writer.release();
    expect(await Promise.all(items)).toEqual([10, 20, 30, 40, 50, 60, 70]);
    expect(writer.groups.at(-1)).toEqual([7]);
  });

  it("keeps groups within their number of bytes, but never starves a large item", async () => {
    const sizes: number[] = [];
    const commit = new GroupCommit<number, number>({
      ...limits,
      bytesMax: 100,
      write: (items) => {
        sizes.push(items.length);
        return Promise.resolve(items);
      },
    });
    await Promise.all([500, 60, 60, 30, 500].map((bytes, index) => commit.submit(index, bytes)));
    expect(sizes).toEqual([1, 1, 2, 1]);
  });

  it("fails every item of a group whose write fails, and goes on with the next", async () => {
    const writer = heldWriter();
    const commit = new GroupCommit<number, number>({ ...limits, itemsMax: 2, write: writer.write });
    const failed = [commit.submit(1, 1), commit.submit(2, 1)];
    const next = commit.submit(3, 1);
    writer.release(new Error("disk"));
    expect((await Promise.allSettled(failed)).map((result) => result.status)).toEqual(["rejected", "rejected"]);
    writer.release();
    expect(await next).toBe(30);
  });

  it("refuses more than may wait, and after its end", async () => {
    const writer = heldWriter();
    const commit = new GroupCommit<number, number>({ ...limits, itemsMax: 1, pendingMax: 2, write: writer.write });
    const taken = [1, 2, 3].map((item) => commit.submit(item, 1));
    await expect(commit.submit(4, 1)).rejects.toMatchObject({ code: "limit-reached" });
    const closed = commit.close();
    await expect(commit.submit(5, 1)).rejects.toMatchObject({ code: "unavailable" });
    for (const item of taken) {
      writer.release();
      await item;
    }
    await closed;
    expect(writer.groups).toEqual([[1], [2], [3]]);
  });
});
