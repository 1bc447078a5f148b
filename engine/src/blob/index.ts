export * from "./blob-store.ts";
export * from "./file-blob-store.ts";
export * from "./byte-range.ts";
export * from "./proven-node.ts";
export * from "./request-proof.ts";
export * from "./upload-blob.ts";
export * from "./upload-request.ts";
export { diskError, isMissing } from "./disk-error.ts";
