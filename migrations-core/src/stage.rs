//! The stages before the tenants: the registry, then the shared set, each under the fleet key.
//!
//! When both are where they should be, this costs the one query of the plan and takes no lock.

use postgres::Client;

use crate::apply::{Outcome, Session, failure};
use crate::error::Error;
use crate::event::Event;
use crate::extensions;
use crate::failure::Reason;
use crate::history::Standing;
use crate::lease::Announcement;
use crate::lock::{self, Lock, Polling};
use crate::name::TenantName;
use crate::plan::{self, Claim, Overview, Question, Resolver};
use crate::registry;
use crate::report::SharedReport;
use crate::retry::{Mishaps, Retries};
use crate::script::{Job, Origin, Owner};
use crate::set::MigrationSet;
use crate::settings::Settings;
use crate::sql::BEGINNING;

/// The sets in their order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sets<'a> {
    pub(crate) registry: &'a MigrationSet,
    pub(crate) shared: &'a MigrationSet,
    pub(crate) tenant: &'a MigrationSet,
}

/// Brings the registry and the shared set up to date, creates extensions that are missing, and answers the question about
/// the tenants.
pub(crate) fn prepare(
    session: &mut Session<'_>,
    settings: &Settings,
    sets: &Sets<'_>,
    question: &Question<'_>,
    report: &mut SharedReport,
) -> Result<Overview, Error> {
    settings.layout.check()?;
    // What these stages commit is on disk at once: a connection that is lost in them takes nothing with it.
    let mishaps = Mishaps::default();
    let first = session.ask(&mishaps, |client| plan::overview(client, &settings.layout, question))?;
    let mut overview = match first {
        Some(overview) if overview.registry.is_current(sets.registry) => {
            overview.check(sets.registry, &settings.layout)?;
            overview
        }
        found => {
            let claim = match found {
                Some(overview) => overview.registry,
                None => session.ask(&mishaps, |client| unread_registry(client, settings))?,
            };
            bring(session, settings, sets.registry, Owner::Registry, claim, &mut SharedReport::default())?;
            ask(session, settings, &mishaps, question)?
        }
    };
    report.version = overview.shared.version;
    if !overview.shared.is_current(sets.shared) {
        bring(session, settings, sets.shared, Owner::Shared, overview.shared, report)?;
        overview = ask(session, settings, &mishaps, question)?;
    }
    if !overview.needs_extensions(question, settings.warm_pool) {
        overview.missing_extensions.clear();
    }
    if !overview.missing_extensions.is_empty() {
        let missing = &overview.missing_extensions;
        extensions::create(session, settings, sets.tenant, missing, &mut report.extensions)?;
    }
    Ok(overview)
}

/// What is known of a registry that does not answer the question about the tenants.
fn unread_registry(client: &mut Client, settings: &Settings) -> Result<Claim, Error> {
    registry::check(client, &settings.layout)?;
    plan::registry_claim(client, &settings.layout)
}

/// Asks for an overview of a registry that is there.
pub(crate) fn ask(
    session: &mut Session<'_>,
    settings: &Settings,
    mishaps: &Mishaps,
    question: &Question<'_>,
) -> Result<Overview, Error> {
    let answer = session.ask(mishaps, |client| plan::overview(client, &settings.layout, question))?;
    answer.ok_or_else(|| Error::Lost {
        doing: "planning".to_owned(),
        reason: format!("the registry in schema {} was dropped meanwhile", settings.layout.registry),
    })
}

/// Brings one of the two schemas to the end of its set, waiting for whoever is at work on it.
fn bring(
    session: &mut Session<'_>,
    settings: &Settings,
    set: &MigrationSet,
    owner: Owner<'_>,
    claim: Claim,
    report: &mut SharedReport,
) -> Result<(), Error> {
    let mut announcement = Announcement::default();
    let done = bring_announced(session, settings, set, owner, claim, report, &mut announcement);
    announcement.withdraw(&mut session.client, &settings.layout);
    done
}

fn bring_announced(
    session: &mut Session<'_>,
    settings: &Settings,
    set: &MigrationSet,
    owner: Owner<'_>,
    mut claim: Claim,
    report: &mut SharedReport,
    announcement: &mut Announcement,
) -> Result<(), Error> {
    let mut polling = Polling::new(settings.lock_wait);
    let what = format!("the {} schema", set.name());
    let mishaps = Mishaps::default();
    let mut retries = Retries::new(&mishaps);
    loop {
        let mut job = Job { is_last_try: !retries.are_left(), ..Job::new(settings, set, owner, claim) };
        let standing = session.ask(&mishaps, |client| Resolver::new(set).resolve(client, job.schema(), &claim))?;
        match standing {
            Standing::Applied(applied) if applied == set.migrations().len() && claim.is_current(set) => {
                report.version = set.version_at(applied);
                return Ok(());
            }
            Standing::Applied(applied) => job.applied = applied,
            Standing::Missing => job.origin = Origin::Created { id: None },
            Standing::Ahead { version } => {
                settings.emit(&Event::Ahead { set: set.name(), tenant: None, version: Some(version) });
                report.version = Some(version);
                report.ahead = true;
                return Ok(());
            }
            Standing::Diverged(divergence) => return Err(failure(&job, Reason::Diverged(divergence)).into()),
            Standing::Unreadable(problem) => return Err(failure(&job, Reason::History(problem)).into()),
        }
        match session.apply(&job) {
            Outcome::Done(applied) => {
                for migration in &set.migrations()[job.applied..job.applied + applied] {
                    report.applied.push(migration.title().to_owned());
                    settings.emit(&Event::Applied { set: set.name(), migration: migration.title() });
                }
                report.version = set.latest();
                return Ok(());
            }
            Outcome::Busy | Outcome::FleetBusy => {
                // The registry's own stage cannot announce: there may be no table for it yet.
                if matches!(owner, Owner::Shared) {
                    announcement.make(&mut session.client, &settings.layout)?;
                }
                settings.wait(&mut polling, &what)?;
            }
            Outcome::Stale => polling.pause(&what)?,
            Outcome::Failed(failure)
                if settings.interrupt.is_cause(failure.sqlstate()) && !failure.left_something() =>
            {
                return Err(Error::Interrupted);
            }
            Outcome::Failed(failure) if !settings.interrupt.is_raised() && retries.pause(&failure) => {
                report.retries += 1;
                session.recover(&failure)?;
            }
            Outcome::Failed(failure) => return Err(failure.into()),
        }
        claim = current_claim(session, settings, set, owner, &mishaps)?;
    }
}

/// What the registry says of the schema now.
fn current_claim(
    session: &mut Session<'_>,
    settings: &Settings,
    set: &MigrationSet,
    owner: Owner<'_>,
    mishaps: &Mishaps,
) -> Result<Claim, Error> {
    let question = Question::about_nobody(set);
    let overview = session.ask(mishaps, |client| plan::overview(client, &settings.layout, &question))?;
    Ok(match (overview, owner) {
        (Some(overview), Owner::Registry) => overview.registry,
        (Some(overview), _) => overview.shared,
        (None, _) => session.ask(mishaps, |client| unread_registry(client, settings))?,
    })
}

/// Sends a statement under the tenant's lock; `false` when `stale` held, and nothing was done.
pub(crate) fn locked(
    session: &mut Session<'_>,
    settings: &Settings,
    name: &TenantName,
    stale: &str,
    sql: &str,
) -> Result<bool, Error> {
    let what = format!("tenant {name}");
    let guard = lock::guard(&settings.layout.registry, Lock::Tenant(name), stale);
    let timeout = settings.lock_timeout.as_millis();
    let message = format!("{};\n{guard};\nSET LOCAL lock_timeout = '{timeout}ms';\n{sql}", BEGINNING.join(";\n"));
    let mut polling = Polling::new(settings.lock_wait);
    loop {
        let Err(error) = session.client.batch_execute(&message) else { return Ok(true) };
        match error.code().map(postgres::error::SqlState::code) {
            Some(lock::STALE) => return Ok(false),
            Some(lock::FLEET_BUSY | lock::TENANT_BUSY) => settings.wait(&mut polling, &what)?,
            _ => return Err(Error::from_driver(format!("changing {what}'s registration"), &error)),
        }
    }
}
