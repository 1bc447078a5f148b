import type { SqlSession } from "../store/database.ts";
import type { ImageManifest } from "./image-manifest.ts";

/** How the logs stand to an image that was made of them. */
export interface ImageAge {
  /** False when the tail cannot be sent any more: it was pruned, or the log began anew. */
  readonly followable: boolean;
  /** Rows of the commits behind the image, for whomever they are. */
  readonly tailRows: number;
}

/** Compares an image's cursors with the logs as they are. One query. */
export async function imageAge(session: SqlSession, { cursors }: Pick<ImageManifest, "cursors">): Promise<ImageAge> {
  const { rows } = await session.query<{ followable: boolean; tail: number }>(
    `select h.incarnation = c.incarnation and c.position between greatest(h.pruned_position, h.filled_position) and h.position as followable,
      coalesce((select sum(row_count) from hayloft.commit t where t.tenant_id = c.tenant_id and t.position > c.position), 0)::float8 as tail
    from unnest($1::text[], $2::uuid[], $3::bigint[]) as c (tenant_id, incarnation, position)
    join hayloft.head h on h.tenant_id = c.tenant_id`,
    [cursors.map(({ tenant }) => tenant), cursors.map(({ incarnation }) => incarnation), cursors.map(({ position }) => position)],
  );
  return {
    followable: rows.length === cursors.length && rows.every(({ followable }) => followable),
    tailRows: rows.reduce((sum, { tail }) => sum + tail, 0),
  };
}
