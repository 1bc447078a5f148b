import type { HubSettings } from "../config/hub-settings.ts";
import type { ContactLimits } from "./contact-state.ts";

/** The settings' limits for the watch over the nodes' contact. */
export function contactLimits(settings: HubSettings): ContactLimits {
  return {
    lateMs: settings["watch.late_minutes"] * 60_000,
    silentMs: settings["watch.silent_minutes"] * 60_000,
    lostMs: settings["watch.lost_minutes"] * 60_000,
  };
}
