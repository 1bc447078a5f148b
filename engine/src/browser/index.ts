export * from "../link/browser/browser-link.ts";
export * from "./open-browser-database.ts";
