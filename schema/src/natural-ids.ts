import { derivedId } from "@hayloft/engine";

/** The id of the row of a weigh session, from what the station calls it. Children can name it before it exists. */
export const weightSessionId = (tenant: string, station: string, session: string): string =>
  derivedId("weight_sessions", [tenant, station, session]);

/** The id of the daily count of a barn; `day` is `YYYY-MM-DD`. */
export const dailyCountId = (tenant: string, barn: string, day: string): string =>
  derivedId("barn_daily_count", [tenant, barn, day]);

/** The id of the page of a day in a barn's log book; `day` is `YYYY-MM-DD`. */
export const logPageId = (tenant: string, barn: string, day: string): string => derivedId("barn_log_page", [tenant, barn, day]);

/** The id of an item that is kept in a barn. */
export const barnStockId = (tenant: string, barn: string, item: string): string => derivedId("barn_stock", [tenant, barn, item]);

/** The id of what a model saw in an image: the same image and model give one result, however often they are asked. */
export const inferenceResultId = (tenant: string, media: string, modelVersion: string): string =>
  derivedId("inference_results", [tenant, media, modelVersion]);

/** The id of feed taken between two readings of a silo; times in milliseconds since 1970. */
export const siloIntakeId = (tenant: string, device: string, fromMs: number, toMs: number): string =>
  derivedId("feed_intake_record", [tenant, device, String(fromMs), String(toMs)]);
