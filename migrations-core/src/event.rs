//! What happens during a run, as it happens. The framework prints nothing: every event goes to `log`, and to whoever
//! asked for it with [`Migrator::on_event`](crate::Migrator::on_event).

use std::time::Duration;

use crate::failure::Failure;
use crate::name::TenantName;
use crate::report::Report;
use crate::set::SetName;

/// Something that happened during a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The plan is made: what a run is going to do.
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
    /// An extension was created that tenants' migrations ask for.
    ExtensionCreated {
        /// Its name.
        name: &'a str,
    },
    /// A tenant was registered and provisioned.
    TenantCreated {
        /// The tenant.
        tenant: &'a TenantName,
        /// How long it took.
        elapsed: Duration,
        /// How far the run is.
        progress: Progress,
    },
    /// A tenant was migrated.
    TenantMigrated {
        /// The tenant.
        tenant: &'a TenantName,
        /// How many migrations were applied.
        migrations: usize,
        /// How long it took.
        elapsed: Duration,
        /// How far the run is.
        progress: Progress,
    },
    /// A tenant failed; the run goes on.
    TenantFailed {
        /// Which and why.
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
        /// The version it has.
        version: Option<i64>,
    },
    /// Something is going to hurt.
    Warning {
        /// What, why, and what to do.
        text: &'a str,
    },
    /// Another run holds a lock; this one waits.
    Waiting {
        /// What is locked.
        what: &'a str,
    },
    /// The run is over.
    Finished {
        /// What it did.
        report: &'a Report,
    },
}

/// How far the tenant stage is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Tenants that are dealt with.
    pub done: usize,
    /// Tenants that were not up to date.
    pub total: usize,
    /// How long the rest is going to take, if it goes on as it went so far.
    pub remaining: Duration,
}

impl Event<'_> {
    /// Writes the event to the log.
    pub(crate) fn log(&self) {
        match self {
            Self::Planned { shared, tenants } => {
                log::debug!("planned: {} shared migrations, {tenants} tenants", shared.len());
            }
            Self::Applied { set, migration } => log::info!("{set}: {migration} applied"),
            Self::ExtensionCreated { name } => log::info!("extension {name} created"),
            Self::TenantCreated { tenant, elapsed, progress: Progress { done, total, .. } } => {
                log::info!("tenant {tenant} created in {elapsed:.1?} ({done}/{total})");
            }
            Self::TenantMigrated { tenant, migrations, elapsed, progress } => {
                let Progress { done, total, .. } = progress;
                log::info!("tenant {tenant}: {migrations} migrations in {elapsed:.1?} ({done}/{total})");
            }
            // The report has it in full, for whoever runs to show.
            Self::TenantFailed { failure, progress: Progress { done, total, .. } } => {
                log::info!("{} failed ({done}/{total})", failure.subject());
            }
            Self::Ahead { set, tenant: Some(tenant), version } => {
                log::warn!("tenant {tenant} is ahead of this binary's {set} set (version {version:?}); left alone");
            }
            Self::Ahead { set, tenant: None, version } => {
                log::warn!("the {set} schema is ahead of this binary (version {version:?}); left alone");
            }
            Self::Warning { text } => log::warn!("{text}"),
            Self::Waiting { what } => log::info!("{what} is locked by another run; waiting"),
            Self::Finished { report } => log::debug!("finished: {:?} in {:.1?}", report.tenants, report.elapsed),
        }
    }
}
