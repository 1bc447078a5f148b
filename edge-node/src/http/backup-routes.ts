import type { BackupFigures } from "../backup/backup-keeper.ts";
import type { MadeBackup } from "../backup/make-backup.ts";
import type { Route } from "./http-routes.ts";
import { json } from "./http-routes.ts";

export interface BackupPort {
  readonly figures: BackupFigures;
  make(digests: boolean): Promise<MadeBackup>;
}

/** `GET /api/v1/backups` and, answered when the backup is whole, `POST /api/v1/backups`. */
export function backupRoutes(backups: BackupPort): readonly Route[] {
  return [
    { method: "GET", path: "/api/v1/backups", admin: false, answer: async () => json(backups.figures) },
    {
      method: "POST",
      path: "/api/v1/backups",
      admin: true,
      answer: async ({ body }) => json(await backups.make(wantsDigests(body))),
    },
  ];
}

/** Taken unless the body says otherwise: who asks for a backup can wait for it. */
function wantsDigests(body: unknown): boolean {
  return !(typeof body === "object" && body !== null && "digests" in body && body.digests === false);
}
