import type { RowsOf } from "@hayloft/engine";
import { catalog } from "@hayloft/engine";
import * as analytics from "./tables/analytics.ts";
import * as feed from "./tables/feed.ts";
import * as identity from "./tables/identity.ts";
import * as media from "./tables/media.ts";
import * as messages from "./tables/messages.ts";
import * as local from "./tables/node-local.ts";
import * as records from "./tables/records.ts";
import * as registry from "./tables/registry.ts";
import * as standards from "./tables/standards.ts";
import * as stock from "./tables/stock.ts";
import * as telemetry from "./tables/telemetry.ts";
import * as weighing from "./tables/weighing.ts";
import { scopes, sharedTenant, tiers } from "./tiers.ts";

/** Every table of the farm, on every tier. Parents stand before their children. */
export const farmCatalog = catalog({
  name: "farm",
  version: 1,
  oldestVersion: 1,
  tiers,
  scopes,
  sharedTenant,
  tables: [
    identity.replicaNode,
    identity.replicaQuarantine,
    identity.replicaQuarantineAction,
    identity.enrolmentTokens,

    registry.tenants,
    registry.farms,
    registry.barns,
    registry.batches,
    registry.devices,
    registry.stations,
    registry.deviceAllowlist,
    registry.stationAllowlist,
    registry.sensors,
    registry.sensorBindings,
    registry.sensorCalibrations,
    registry.tenantQuotas,
    registry.tenantRateLimits,
    registry.configThresholdRules,
    registry.configTargetCurves,

    identity.roles,
    identity.users,
    identity.farmUsers,
    identity.userRoles,
    identity.permissions,
    identity.rolePermissions,
    identity.customRoles,
    identity.customRolePermissions,
    identity.userAttributes,

    standards.speciesCatalog,
    standards.breederCompany,
    standards.geneticLineCatalog,
    standards.standardSchema,
    standards.sourceDocuments,
    standards.standardSets,
    standards.standardRows,
    standards.standardRowMetrics,
    standards.importJobs,
    standards.importJobErrors,

    telemetry.telemetryRaw,
    telemetry.telemetryAgg,
    telemetry.telemetryRollupDue,
    telemetry.deviceLastSeen,

    weighing.weightSessions,
    weighing.sessionWeights,
    weighing.sessionMediaBindings,
    weighing.inferenceResults,
    media.inferenceJobs,

    media.mediaObjects,
    media.mediaVariants,
    media.mediaRequests,
    media.mediaPresence,
    media.mediaTransfers,
    media.mediaUploads,

    records.barnMortalityEvent,
    records.barnCullEvent,
    records.barnMorbidityEvent,
    records.barnVaccineEvent,
    records.barnTreatmentEvent,
    records.barnWelfareCheck,
    records.barnHousingCondition,
    records.barnDailyCount,
    records.barnLogPage,
    records.barnGeneticProfile,
    stock.barnStock,

    feed.feedFormula,
    feed.feedLot,
    feed.feedDelivery,
    feed.feedQualityResult,
    feed.feedIntakeRecord,
    feed.feedProgram,
    feed.feedInventorySnapshot,
    feed.siloWeightSnapshot,

    analytics.analyticsResults,
    analytics.kpiDaily,
    analytics.weighvisionWeightAggregate,

    messages.auditEvents,
    messages.notifications,
    messages.notificationTargets,
    messages.notificationDeliveryAttempts,

    local.ingressDedupe,
    local.ingressRefused,
    local.siteBlockList,
    local.alertStates,
    local.consumerPositions,
  ],
});

/** The Kysely row types of the farm's tables. */
export type FarmRows = RowsOf<typeof farmCatalog>;
