//! Events during a run. The framework prints nothing: every event goes to `log`, and to every observer that was set
//! with [`Migrator::on_event`](crate::Migrator::on_event).

use std::time::Duration;

use super::failure::Failure;
use super::run::Report;
use crate::names::{Member, SchemaName, TenantName};
use crate::set::SetName;

/// The log target of events, wherever this module is: a program that shows the events itself filters it out.
const TARGET: &str = "migrations_core::event";

/// Something that happened during a run. Each event also goes to `log`, with the target `migrations_core::event`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The plan is made.
    Planned {
        /// Titles of the shared migrations to apply.
        shared: &'a [String],
        /// How many tenants are not up to date.
        tenants: usize,
    },
    /// A migration of the registry or of the shared set was committed.
    Applied {
        /// The set.
        set: &'a SetName,
        /// The migration's title.
        migration: &'a str,
    },
    /// An extension that tenants' migrations need was created.
    ExtensionCreated {
        /// Its name.
        name: &'a str,
    },
    /// A tenant was registered and provisioned.
    TenantCreated {
        /// The tenant.
        tenant: &'a TenantName,
        /// Its schema.
        schema: &'a SchemaName,
        /// How long it took.
        elapsed: Duration,
        /// How far the run is.
        progress: Progress,
    },
    /// A tenant was migrated.
    TenantMigrated {
        /// The tenant.
        tenant: &'a TenantName,
        /// Its schema.
        schema: &'a SchemaName,
        /// How many migrations were applied.
        migrations: usize,
        /// How long it took.
        elapsed: Duration,
        /// How far the run is.
        progress: Progress,
    },
    /// A tenant failed; the run continues.
    TenantFailed {
        /// Which schema, and why.
        failure: &'a Failure,
        /// How far the run is.
        progress: Progress,
    },
    /// A tenant or the shared set is ahead of this binary, and is left alone.
    Ahead {
        /// The set.
        set: &'a SetName,
        /// The tenant; `None` for the shared set.
        tenant: Option<&'a TenantName>,
        /// The tenant's schema; `None` for the shared set.
        schema: Option<&'a SchemaName>,
        /// The version it has.
        version: Option<i64>,
    },
    /// A capacity risk found before the run, or something that the run left alone.
    Warning {
        /// The problem, its cause, and what to do.
        text: &'a str,
    },
    /// Another run holds a lock; this one waits.
    Waiting {
        /// What is locked.
        what: &'a str,
    },
    /// The run is over.
    Finished {
        /// The result.
        report: &'a Report,
    },
}

/// The progress of the tenant stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of tenants that are finished.
    pub done: usize,
    /// The number of tenants that were not up to date.
    pub total: usize,
    /// How long the rest will take at the present speed.
    pub remaining: Duration,
}

impl Event<'_> {
    /// Writes the event to the log.
    pub(crate) fn log(&self) {
        match self {
            Self::Planned { shared, tenants } => {
                log::debug!(target: TARGET, "planned: {} shared migrations, {tenants} tenants", shared.len());
            }
            Self::Applied { set, migration } => log::info!(target: TARGET, "{set}: {migration} applied"),
            Self::ExtensionCreated { name } => log::info!(target: TARGET, "extension {name} created"),
            Self::TenantCreated { tenant, schema, elapsed, progress: Progress { done, total, .. } } => {
                let tenant = shown(tenant, schema);
                log::info!(target: TARGET, "tenant {tenant} created in {elapsed:.1?} ({done}/{total})");
            }
            Self::TenantMigrated { tenant, schema, migrations, elapsed, progress } => {
                let tenant = shown(tenant, schema);
                let Progress { done, total, .. } = progress;
                log::info!(target: TARGET, "tenant {tenant}: {migrations} migrations in {elapsed:.1?} ({done}/{total})");
            }
            // The report has the full text, for programs that show it.
            Self::TenantFailed { failure, progress: Progress { done, total, .. } } => {
                log::info!(target: TARGET, "{} failed ({done}/{total})", failure.subject());
            }
            Self::Ahead { set, tenant: Some(tenant), schema, version } => {
                let tenant = schema.map_or_else(|| tenant.to_string(), |schema| shown(tenant, schema));
                log::warn!(target: TARGET, "tenant {tenant} is ahead of this binary's {set} set (version {version:?}); left alone");
            }
            Self::Ahead { set, tenant: None, version, .. } => {
                log::warn!(target: TARGET, "the {set} schema is ahead of this binary (version {version:?}); left alone");
            }
            Self::Warning { text } => log::warn!(target: TARGET, "{text}"),
            Self::Waiting { what } => log::info!(target: TARGET, "{what} is locked by another run; waiting"),
            Self::Finished { report } => {
                log::debug!(target: TARGET, "finished: {:?} in {:.1?}", report.tenants, report.elapsed);
            }
        }
    }
}

/// The tenant's name, with its schema's where the two differ.
fn shown(tenant: &TenantName, schema: &SchemaName) -> String {
    Member::new(tenant.clone(), schema.clone()).to_string()
}
