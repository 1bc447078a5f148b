import type { Database } from "@hayloft/engine";
import type { MediaVariant } from "@hayloft/schema";
import { administer, oneRow } from "./admin-error.ts";

export interface MediaView {
  readonly id: string;
  readonly farm: string;
  readonly barn: string;
  readonly device: string;
  readonly captured_at: Date;
  readonly size_bytes: number;
  /** Where its bytes are: `here`, `asked` (a request is on its way), `awaited` (the tenant keeps such), or `site`. */
  readonly original: string;
  readonly preview: string;
  readonly thumbnail: string;
}

const whereIs = (variant: MediaVariant, isWanted: string): string => `case
  when exists (select from media_presence as held where held.tenant_id = media.tenant_id and held.media_id = media.id
    and held.variant = '${variant}') then (select case held.state when 'present' then 'here' else held.state end from media_presence as held
    where held.tenant_id = media.tenant_id and held.media_id = media.id and held.variant = '${variant}')
  when exists (select from media_requests as wish where wish.tenant_id = media.tenant_id and wish.media_id = media.id
    and wish.variant = '${variant}') then 'asked'
  when ${isWanted} then 'awaited' else 'site' end as ${variant}`;

/** The newest images of a tenant and where their bytes are, at most `limit`. */
export async function listMedia(database: Database, tenant: string, limit: number): Promise<readonly MediaView[]> {
  const { rows } = await database.query<MediaView>(
    `select media.id::text as id, media.farm_id as farm, media.barn_id as barn, media.device_id as device, media.captured_at,
       media.size_bytes::float8 as size_bytes, ${whereIs("original", "tenant.cloud_media = 'all'")},
       ${whereIs("preview", "tenant.cloud_media <> 'none'")}, ${whereIs("thumbnail", "tenant.cloud_media <> 'none'")}
     from media_objects as media join tenants as tenant on tenant.tenant_id = media.tenant_id
     where media.tenant_id = $1 order by media.captured_at desc, media.id limit $2`,
    [tenant, limit],
  );
  return rows;
}

/** Asks the site for the bytes of a picture. Asking again changes nothing. Throws `not-found` when there is no such image. */
export async function requestMedia(
  database: Database,
  wish: { readonly tenant: string; readonly id: string; readonly variant: MediaVariant; readonly person: string },
): Promise<{ readonly id: string; readonly variant: string }> {
  return await administer("image", async () => {
    const { rows } = await database.query<{ id: string; variant: string }>(
      `insert into media_requests (tenant_id, media_id, variant, farm_id, barn_id, requested_by)
       select tenant_id, id, $3, farm_id, barn_id, $4 from media_objects where tenant_id = $1 and id::text = $2
       on conflict (tenant_id, media_id, variant) do update set requested_by = media_requests.requested_by
       returning media_id::text as id, variant`,
      [wish.tenant, wish.id, wish.variant, wish.person],
    );
    return oneRow(rows, "image", wish.id);
  });
}

/** Sets which bytes the hub keeps of a tenant's images. Those that are here stay. Throws `not-found`. */
export async function setCloudMedia(
  database: Database,
  tenant: string,
  cloudMedia: "none" | "variants" | "all",
): Promise<{ readonly id: string; readonly cloud_media: string }> {
  const { rows } = await database.query<{ id: string; cloud_media: string }>(
    "update tenants set cloud_media = $2, updated_at = now() where tenant_id = $1 returning tenant_id as id, cloud_media",
    [tenant, cloudMedia],
  );
  return oneRow(rows, "tenant", tenant);
}
