import {
  appendOnly,
  bigint,
  boolean,
  column,
  forever,
  integer,
  local,
  oneOf,
  singleWriter,
  table,
  text,
  timestamptz,
} from "@hayloft/engine";
import { createdAt, naturalRef, outsideId, ownId, tenantId, updatedAt } from "../farm-columns.ts";
import { mediaVariantKinds } from "../media/media-bytes.ts";
import { keepWindow } from "../tiers.ts";

const barnScope = { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" } as const;
const sha256 = () => text().check("{} ~ '^[0-9a-f]{64}$'");
const mimeType = () => oneOf("image/jpeg", "image/png", "image/webp");
const variantKind = () => oneOf(...mediaVariantKinds);
const here = { cloud: forever, edge: forever, tablet: forever } as const;

/** The most bytes an image may have: 10 MB. */
export const mediaBytesMax = 10_485_760;

// Names its session as the device does, without a foreign key: the image may come first.
export const mediaObjects = table("media_objects", {
  about: "Images: what they are, not where their bytes are.",
  group: "media",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    device_id: outsideId(),
    station_id: outsideId().nullable(),
    session_id: outsideId().nullable(),
    weight_session_id: naturalRef().nullable(),
    bucket: outsideId(),
    object_key: text().check("char_length({}) between 1 and 1024"),
    etag: text().nullable(),
    mime_type: mimeType(),
    size_bytes: bigint().check(`{} between 1 and ${mediaBytesMax}`),
    sha256: sha256(),
    width_px: integer().nullable().check("{} > 0"),
    height_px: integer().nullable().check("{} > 0"),
    image_role: text().nullable(),
    subject_table: outsideId().nullable(),
    subject_id: ownId().nullable(),
    captured_at: timestamptz(),
    created_by_user_id: ownId().nullable(),
    created_at: createdAt(),
  },
  unique: [{ columns: ["tenant_id", "object_key"] }],
  indexes: [
    ["tenant_id", "session_id"],
    ["tenant_id", "weight_session_id"],
    ["tenant_id", "sha256"],
    ["tenant_id", "subject_table", "subject_id"],
    ["tenant_id", "farm_id", "captured_at desc"],
    ["tenant_id", "barn_id", "captured_at desc"],
    ["tenant_id", "device_id", "captured_at desc"],
  ],
  scope: barnScope,
  writers: ["edge", "tablet"],
  flow: "both",
  rule: appendOnly({
    columns: { session_id: column.setOnce(), station_id: column.setOnce(), weight_session_id: column.setOnce() },
  }),
  retain: keepWindow("captured_at", 90, 30),
  lane: 2,
});

// `media_id` has no foreign key: the two rows age by their own clocks, and a variant alone does no harm.
export const mediaVariants = table("media_variants", {
  about: "Smaller pictures made from an image, with all metadata stripped.",
  group: "media",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    media_id: ownId(),
    kind: variantKind(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    mime_type: mimeType(),
    width_px: integer().check("{} > 0"),
    height_px: integer().check("{} > 0"),
    size_bytes: bigint().check("{} > 0"),
    sha256: sha256(),
    created_at: createdAt(),
  },
  primaryKey: ["tenant_id", "media_id", "kind"],
  indexes: [
    ["tenant_id", "sha256"],
    ["tenant_id", "farm_id", "created_at desc"],
    ["tenant_id", "barn_id", "created_at desc"],
  ],
  scope: barnScope,
  writers: ["cloud", "edge"],
  flow: "both",
  rule: appendOnly(),
  retain: keepWindow("created_at", 90, 30),
  lane: 2,
});

export const mediaPresence = table("media_presence", {
  about: "Which bytes this node holds, and when it last checked them.",
  group: "media",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    media_id: ownId(),
    variant: variantKind(),
    state: oneOf("present", "missing", "damaged"),
    sha256: sha256().nullable(),
    size_bytes: bigint().nullable(),
    is_at_parent: boolean().default("false"),
    verified_at: timestamptz().nullable(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "media_id", "variant"],
  indexes: [["tenant_id", "state"]],
  scope: { tenant: "tenant_id" },
  writers: ["cloud", "edge", "tablet"],
  flow: "local",
  rule: local(),
  retain: here,
});

export const mediaTransfers = table("media_transfers", {
  about: "Bytes on their way to or from a peer: how far, how often tried.",
  group: "media",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    media_id: ownId(),
    variant: variantKind(),
    direction: oneOf("up", "down"),
    state: oneOf("waiting", "running", "done", "failed"),
    total_bytes: bigint().nullable(),
    sent_bytes: bigint().default("0"),
    attempts: integer().default("0"),
    next_attempt_at: timestamptz().default("now()"),
    last_error_code: text().nullable(),
    requested_by: text().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "media_id", "variant", "direction"],
  indexes: [["tenant_id", "state", "next_attempt_at"]],
  scope: { tenant: "tenant_id" },
  writers: ["cloud", "edge", "tablet"],
  flow: "local",
  rule: local(),
  retain: here,
});

// The wish travels down as a row, so that it waits for the link like everything else.
export const mediaRequests = table("media_requests", {
  about: "Bytes that the hub asks a site for, whatever the tenant keeps in the cloud.",
  group: "media",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    media_id: ownId(),
    variant: variantKind(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    requested_by: text(),
    requested_at: createdAt(),
  },
  primaryKey: ["tenant_id", "media_id", "variant"],
  indexes: [
    ["tenant_id", "farm_id", "requested_at desc"],
    ["tenant_id", "barn_id", "requested_at desc"],
  ],
  scope: barnScope,
  writers: ["cloud"],
  flow: "down",
  rule: singleWriter("cloud"),
  retain: keepWindow("requested_at", 90),
  lane: 2,
});

export const mediaUploads = table("media_uploads", {
  about: "Places handed out for an upload that is not complete yet.",
  group: "media",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    device_id: outsideId(),
    object_key: text().check("char_length({}) between 1 and 1024"),
    mime_type: mimeType(),
    state: oneOf("open", "received", "complete"),
    received_bytes: bigint().nullable(),
    sha256: sha256().nullable(),
    created_at: createdAt(),
    expires_at: timestamptz(),
  },
  unique: [{ columns: ["tenant_id", "object_key"] }],
  indexes: [["expires_at"], ["tenant_id", "device_id", "created_at desc"]],
  scope: { tenant: "tenant_id" },
  writers: ["edge"],
  flow: "local",
  rule: local(),
  retain: here,
});

export const inferenceJobs = table("inference_jobs", {
  about: "Images that wait for a model; survives a restart.",
  group: "weighing",
  category: "operational",
  columns: {
    tenant_id: tenantId(),
    media_id: outsideId(),
    model_version: outsideId(),
    state: oneOf("waiting", "running", "done", "failed"),
    attempts: integer().default("0"),
    next_attempt_at: timestamptz().default("now()"),
    last_error_code: text().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "media_id", "model_version"],
  indexes: [["tenant_id", "state", "next_attempt_at"]],
  scope: { tenant: "tenant_id" },
  writers: ["cloud", "edge"],
  flow: "local",
  rule: local(),
  retain: here,
});
