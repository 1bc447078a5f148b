export type { Salvaged } from "./salvage-file.ts";
export { type SaveOrder, saveUnsent } from "./save-unsent.ts";
export { type Taken, type TakeOrder, takeUnsent } from "./take-unsent.ts";
