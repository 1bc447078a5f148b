import chromium from "@sparticuz/chromium";
import type { BrowserContext } from "playwright-core";
import { chromium as driver } from "playwright-core";

/** A Chromium from npm with a profile in `userDataDir`, so that what its pages store is there the next time. */
export async function openChromium(userDataDir: string): Promise<BrowserContext> {
  return await driver.launchPersistentContext(userDataDir, {
    executablePath: await chromium.executablePath(),
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
}
