import type { IncomingMessage } from "node:http";
import { HayloftError } from "@hayloft/engine";

/**
 * The JSON body of a request. Throws `frame-too-large` above `bytesMax` without reading on, and `request-invalid` for
 * another content type or for what is not JSON. How long a sender may take is bounded by the server's `requestTimeout`.
 */
export async function readJsonBody(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  const type = request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json")
    throw new HayloftError("request-invalid", { part: "content-type", expected: "application/json" });
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) throw new HayloftError("frame-too-large", { bytesMax });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new HayloftError("frame-too-large", { bytesMax });
    chunks.push(chunk);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    // The parser's error quotes the body.
    throw new HayloftError("request-invalid", { part: "body", expected: "JSON" });
  }
}
