/** What the page asks of the worker that holds the database. */
export type BrowserRequest =
  /** `store` names the database in the browser's storage, null keeps it in memory; `image` is where a new one is fetched. */
  | { readonly kind: "open"; readonly id: number; readonly store: string | null; readonly image: string | null }
  | { readonly kind: "exec"; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer>; readonly alone: boolean }
  | { readonly kind: "close"; readonly id: number };

export type BrowserReply =
  | { readonly kind: "done"; readonly id: number; readonly bytes: Uint8Array<ArrayBuffer> }
  /** `full`: the browser gives this origin no more room. */
  | { readonly kind: "failed"; readonly id: number; readonly reason: string; readonly full: boolean };
