import type { Migration } from "@hayloft/engine";
import { initial } from "./0001-initial.ts";
import { views } from "./0002-views.ts";
import { peopleDecide } from "./0003-people-decide.ts";

/** Every step of the farm's schema, for all tiers, in order. A step that was released never changes. */
export const farmMigrations: readonly Migration[] = [initial, views, peopleDecide];
