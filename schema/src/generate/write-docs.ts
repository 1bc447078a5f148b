import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { farmCatalog } from "../farm-catalog.ts";
import { catalogVersionsFile, catalogVersionsText, readCatalogVersions, withPresent } from "./catalog-versions.ts";
import { schemaPage } from "./schema-page.ts";

writeFileSync(fileURLToPath(new URL("../../../docs/schema.md", import.meta.url)), schemaPage(farmCatalog));
writeFileSync(catalogVersionsFile, catalogVersionsText(withPresent(readCatalogVersions(), farmCatalog)));
