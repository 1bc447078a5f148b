import type sharp from "sharp";
import type { Sharp } from "sharp";

export type ImageType = "image/jpeg" | "image/png" | "image/webp";

/** A smaller picture, without any metadata. */
interface SmallerPicture {
  readonly kind: "preview" | "thumbnail";
  readonly bytes: Uint8Array;
  readonly mimeType: "image/webp";
  readonly widthPx: number;
  readonly heightPx: number;
}

export type PictureResult =
  | {
      readonly ok: true;
      readonly mimeType: ImageType;
      readonly widthPx: number;
      readonly heightPx: number;
      readonly smaller: readonly SmallerPicture[];
    }
  | { readonly ok: false; readonly code: "unsupported-content-type" | "too-many-pixels" | "unreadable-image" };

export interface PictureSettings {
  readonly thumbnailPx: number;
  readonly previewPx: number;
}

/** The most pixels of an image that is decoded: about 200 MB while it is. */
const PIXELS_MAX = 50_000_000;
const SECONDS_MAX = 20;
const BYTES_MAX = { preview: 200_000, thumbnail: 30_000 } as const;
const QUALITIES = [78, 60, 40, 20] as const;

let library: Promise<typeof sharp> | null = null;

/** Loaded with the first picture, so that the daemon is ready sooner. */
async function loadSharp(): Promise<typeof sharp> {
  const { default: loaded } = await import("sharp");
  // One image at a time and nothing kept: the barn's machine has other things to do.
  loaded.concurrency(1);
  loaded.cache(false);
  return loaded;
}

/** The type of an image by its first bytes, or null for anything that is not one of the three. */
function imageTypeOf(bytes: Uint8Array): ImageType | null {
  const head = Buffer.from(bytes.subarray(0, 12));
  if (head.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))) return "image/jpeg";
  if (head.subarray(0, 8).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))) return "image/png";
  if (head.toString("latin1", 0, 4) === "RIFF" && head.toString("latin1", 8, 12) === "WEBP") return "image/webp";
  return null;
}

/**
 * Checks an image and makes its smaller pictures, turned upright. Its type is judged by its bytes before a decoder sees them, and
 * its pixels by its header before any is decoded.
 */
export async function makePictures(bytes: Uint8Array, settings: PictureSettings): Promise<PictureResult> {
  const mimeType = imageTypeOf(bytes);
  if (mimeType === null) return { ok: false, code: "unsupported-content-type" };
  try {
    const { width, height, pageHeight, format } = await (await open(bytes)).metadata();
    if (`image/${format}` !== mimeType) return { ok: false, code: "unreadable-image" };
    if (width * (pageHeight ?? height) > PIXELS_MAX) return { ok: false, code: "too-many-pixels" };
    const preview = await smaller(bytes, "preview", settings.previewPx);
    const thumbnail = await smaller(bytes, "thumbnail", settings.thumbnailPx);
    return { ok: true, mimeType, widthPx: width, heightPx: height, smaller: [preview, thumbnail] };
  } catch (error) {
    const tooLarge = error instanceof Error && /pixel limit/i.test(error.message);
    return { ok: false, code: tooLarge ? "too-many-pixels" : "unreadable-image" };
  }
}

async function open(bytes: Uint8Array): Promise<Sharp> {
  const picture = await (library ??= loadSharp());
  return picture(bytes, { limitInputPixels: PIXELS_MAX, failOn: "warning", pages: 1 }).timeout({ seconds: SECONDS_MAX });
}

/** The best quality that fits; metadata is left out, because a camera may have written where it stands. */
async function smaller(bytes: Uint8Array, kind: SmallerPicture["kind"], sidePx: number): Promise<SmallerPicture> {
  const shape = { width: sidePx, height: sidePx, fit: "inside", withoutEnlargement: true } as const;
  const upright = (await open(bytes)).rotate().resize(shape);
  let made = await upright.clone().webp({ quality: QUALITIES[0] }).toBuffer({ resolveWithObject: true });
  for (const quality of QUALITIES.slice(1)) {
    if (made.data.length <= BYTES_MAX[kind]) break;
    made = await upright.clone().webp({ quality }).toBuffer({ resolveWithObject: true });
  }
  return { kind, bytes: made.data, mimeType: "image/webp", widthPx: made.info.width, heightPx: made.info.height };
}
