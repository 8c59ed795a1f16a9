//! Explains how histories and the registry differ from the binary's sets, and corrects what the operator names:
//! histories whose files were edited, versions that were undone, rows of the registry, marks of interrupted statements.

use std::collections::HashMap;

use postgres::Client;

use super::prepare::prepare_registry;
use crate::engine::{Engine, Repair};
use crate::execute::{Rewrite, Says, clear_mark, rewrite};
use crate::names::{Member, SchemaName, TenantName};
use crate::plan::{Standing, Unit, accepted, compare};
use crate::report::{Diverged, DivergedSchema, Error, Finding, RepairReport, Repaired};
use crate::server::{Connection, TransientErrors};
use crate::set::{Digest, Migration, MigrationSet, variant};
use crate::store::{
    Claim, HistoryRow, Listed, Owner, Question, Record, history_exists, is_unrecorded, listed_tenants, read_history,
    read_mark, read_records, schema_claim,
};

/// The number of schemas about which the registry and the histories are asked at a time.
const PAGE: usize = 500;

/// Explains every difference, and corrects what is named.
pub(crate) fn repair(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    repair: &Repair,
) -> Result<RepairReport, Error> {
    check_versions(engine, repair)?;
    let (layout, errors) = (engine.layout(), TransientErrors::default());
    let question = Question::about_no_tenant(engine.sets.tenant);
    let overview = if repair.changes_nothing() {
        engine.try_overview(connection, &errors, &question)?
    } else {
        Some(prepare_registry(engine, connection)?)
    };
    let (has_registry, shared) = match overview {
        Some(overview) => (true, overview.shared),
        None => (false, connection.ask(&errors, |client| schema_claim(client, layout.shared.as_str()))?),
    };
    let mut task =
        Task { engine, repair, groups: Groups::default(), repaired: Vec::new(), variants: HashMap::new(), errors };

    let tenants =
        if has_registry { connection.ask(&task.errors, |client| listed_tenants(client, layout))? } else { Vec::new() };
    check_names(repair, &tenants)?;
    let record = shared_record(engine, connection, &task.errors, shared, has_registry)?;
    task.look_at(connection, Owner::Shared, &record)?;

    for page in tenants.chunks(PAGE) {
        let schemas: Vec<String> = page.iter().map(|listed| listed.schema.clone()).collect();
        let records = connection.ask(&task.errors, |client| read_records(client, layout, &schemas))?;
        for (listed, record) in page.iter().zip(records) {
            engine.may_begin()?;
            // A row with names that no tenant can have is reported by a run.
            let (Ok(name), Ok(schema)) = (listed.name.parse::<TenantName>(), listed.schema.parse::<SchemaName>())
            else {
                continue;
            };
            let member = Member::new(name, schema);
            task.look_at(connection, Owner::Tenant(&member), &record)?;
        }
    }
    connection.flush()?;
    if task.errors.lost_connections() > 0 {
        // A server that crashed has lost what was not on disk yet.
        let reason = "a connection was lost on the way".to_owned();
        return Err(Error::Lost { doing: "the repair".to_owned(), reason });
    }
    Ok(RepairReport { found: task.groups.in_order, repaired: task.repaired })
}

/// Refuses a version that no set has.
fn check_versions(engine: &Engine<'_>, repair: &Repair) -> Result<(), Error> {
    let sets = [engine.sets.tenant, engine.sets.shared];
    for &version in repair.update.named() {
        if !sets.iter().any(|set| set.migrations().iter().any(|migration| migration.version() == version)) {
            let set = engine.sets.tenant;
            let at = set.migrations().partition_point(|migration| migration.version() < version);
            let nearest = set.titles(at.saturating_sub(1)..(at + 1).min(set.migrations().len()));
            return Err(Error::UnknownVersion { set: set.name().clone(), version, nearest });
        }
    }
    Ok(())
}

/// Refuses a tenant that is not registered.
fn check_names(repair: &Repair, tenants: &[Listed]) -> Result<(), Error> {
    if let Some((_, tenant)) = &repair.unapply
        && !has_tenant(tenants, tenant)
    {
        return Err(Error::UnknownTenant(tenant.clone()));
    }
    match &repair.clear_mark {
        Some(name) if !has_tenant(tenants, name) => Err(Error::UnknownTenant(name.clone())),
        _ => Ok(()),
    }
}

fn has_tenant(tenants: &[Listed], name: &TenantName) -> bool {
    tenants.iter().any(|known| known.name == name.as_str())
}

/// Schemas with the same findings.
#[derive(Default)]
struct Groups {
    in_order: Vec<Diverged>,
    known: HashMap<(bool, Vec<Finding>), usize>,
}

impl Groups {
    fn add(&mut self, set: &MigrationSet, is_shared: bool, schema: DivergedSchema, findings: Vec<Finding>) {
        let key = (is_shared, findings);
        if let Some(&at) = self.known.get(&key) {
            self.in_order[at].schemas.push(schema);
            return;
        }
        let findings = key.1.clone();
        self.known.insert(key, self.in_order.len());
        self.in_order.push(Diverged { set: set.name().clone(), is_shared, schemas: vec![schema], findings });
    }
}

/// A repair on its way from schema to schema.
struct Task<'a> {
    engine: &'a Engine<'a>,
    repair: &'a Repair,
    groups: Groups,
    repaired: Vec<Repaired>,
    /// The form of a text, by its own checksum, and by the name and the checksum that are recorded.
    variants: HashMap<(u64, String, u64), Option<String>>,
    /// Counts connections that were lost and replaced.
    errors: TransientErrors,
}

impl Task<'_> {
    /// Explains one schema, and corrects it.
    fn look_at(&mut self, connection: &mut Connection<'_>, owner: Owner<'_>, record: &Record) -> Result<(), Error> {
        let set = if owner.tenant().is_some() { self.engine.sets.tenant } else { self.engine.sets.shared };
        let mut is_written = false;
        let findings = self.findings(connection, owner, set, record)?;
        if !findings.is_empty() {
            self.groups.add(set, owner == Owner::Shared, named(owner, record), findings);
        }
        if record.claim.oid.is_none() {
            return Ok(());
        }
        if let Ok(rows) = &record.history
            && record.has_history
            && let Some((after, what)) = self.corrected(owner, set, record, rows)
        {
            let done = match what {
                Ok(what) => self.write(connection, owner, set, record, rows, &after).map(|done| done.map(|()| what))?,
                Err(problem) => Err(problem),
            };
            is_written = done.is_ok() && !self.repair.dry_run;
            self.add(owner, record, done);
        }
        if self.clears_mark_of(owner) {
            let done = if is_written {
                let record = self.look_again(connection, owner, record)?;
                self.clear_mark(connection, owner, set, &record)?
            } else {
                self.clear_mark(connection, owner, set, record)?
            };
            self.add(owner, record, done);
        }
        Ok(())
    }

    /// What is recorded of a schema after it was written.
    fn look_again(&self, connection: &mut Connection<'_>, owner: Owner<'_>, record: &Record) -> Result<Record, Error> {
        let (engine, errors, schemas) = (self.engine, &self.errors, [record.schema.clone()]);
        let found = if owner.tenant().is_some() {
            let records = connection.ask(errors, |client| read_records(client, engine.layout(), &schemas))?;
            records.into_iter().next()
        } else {
            let question = Question::about_no_tenant(engine.sets.tenant);
            let claim = engine.overview(connection, errors, &question)?.shared;
            Some(shared_record(engine, connection, errors, claim, true)?)
        };
        found.ok_or_else(|| Error::Lost {
            doing: format!("reading the history of schema {}", record.schema),
            reason: "the server sent no answer".to_owned(),
        })
    }

    fn clear_mark(
        &self,
        connection: &mut Connection<'_>,
        owner: Owner<'_>,
        set: &MigrationSet,
        record: &Record,
    ) -> Result<Result<String, String>, Error> {
        let unit = Unit::new(self.engine, owner, record.claim);
        let applied = compare(set, record.history.as_deref().unwrap_or_default()).0;
        let unit = Unit { applied: if let Standing::Applied(applied) = applied { applied } else { 0 }, ..unit };
        or_refused(clear_mark(self.engine, connection, &unit, self.repair.dry_run))
    }

    fn clears_mark_of(&self, owner: Owner<'_>) -> bool {
        let named = self.repair.clear_mark.as_ref();
        owner.tenant().map_or(self.repair.clear_shared_mark, |member| named == Some(&member.name))
    }

    fn add(&mut self, owner: Owner<'_>, record: &Record, done: Result<String, String>) {
        let (is_refused, text) = match done {
            Ok(text) => (false, text),
            Err(problem) => (true, problem),
        };
        let DivergedSchema { tenant, schema } = named(owner, record);
        self.repaired.push(Repaired { tenant, schema, text, is_refused });
    }

    fn findings(
        &mut self,
        connection: &mut Connection<'_>,
        owner: Owner<'_>,
        set: &MigrationSet,
        record: &Record,
    ) -> Result<Vec<Finding>, Error> {
        let Record { claim, schema, .. } = record;
        if claim.oid.is_none() {
            // A run creates the shared schema.
            return Ok(owner.tenant().map(|_| Finding::Missing).into_iter().collect());
        }
        let rows = match &record.history {
            Ok(rows) => rows,
            Err(problem) => return Ok(vec![Finding::Unreadable(problem.clone())]),
        };
        let mut findings = Vec::new();
        if owner.tenant().is_some()
            && !record.has_history
            && connection.ask(&self.errors, |client| is_unrecorded(client, schema))?
        {
            findings.push(Finding::Unrecorded);
        }
        let (standing, digest) = compare(set, rows);
        if matches!(standing, Standing::Diverged(_)) {
            findings.extend(self.differences(set, rows));
        }
        let last = rows.last().map(|row| row.version);
        let says_otherwise = claim.digest.is_some_and(|known| known != digest) || claim.version != last;
        let is_about_this_schema = claim.recorded_oid.is_none() || claim.is_about_this_schema();
        if record.is_registered && claim.digest.is_some() && (says_otherwise || !is_about_this_schema) {
            findings.push(Finding::Registry { version: claim.version, history: last, is_about_this_schema });
        }
        findings.extend(record.mark.map(|version| Finding::Marked { version }));
        Ok(findings)
    }

    /// Every difference between a history and its set, in the order of versions.
    fn differences(&mut self, set: &MigrationSet, rows: &[HistoryRow]) -> Vec<Finding> {
        let last = rows.last().map_or(i64::MIN, |row| row.version);
        let mut findings: Vec<(i64, Finding)> = Vec::new();
        for row in rows {
            let recorded = title(row);
            match with_version(set, row.version) {
                Some(migration) if accepted(set, row) == HistoryRow::of(migration) => {}
                Some(migration) => {
                    let variant = self.variant(migration, row);
                    findings.push((
                        row.version,
                        Finding::Changed {
                            version: row.version,
                            recorded,
                            recorded_checksum: row.checksum,
                            embedded: migration.title().to_owned(),
                            embedded_checksum: migration.checksum(),
                            variant,
                        },
                    ));
                }
                None => findings.push((
                    row.version,
                    Finding::Unknown { version: row.version, recorded, recorded_checksum: row.checksum },
                )),
            }
        }
        let is_skipped = |migration: &&Migration| {
            migration.version() < last && !rows.iter().any(|row| row.version == migration.version())
        };
        findings.extend(set.migrations().iter().filter(is_skipped).map(|migration| {
            let (version, embedded) = (migration.version(), migration.title().to_owned());
            (version, Finding::Skipped { version, embedded })
        }));
        findings.sort_by_key(|(version, _)| *version);
        findings.into_iter().map(|(_, finding)| finding).collect()
    }

    /// The form of a text that has the recorded checksum; tried once for all schemas that have recorded it.
    fn variant(&mut self, migration: &Migration, row: &HistoryRow) -> Option<String> {
        let key = (migration.checksum(), row.name.clone(), row.checksum);
        self.variants.entry(key).or_insert_with(|| variant(migration, &row.name, row.checksum)).clone()
    }

    /// The history after the correction that is asked for, and what it does or why it cannot be done; `None` if nothing
    /// is to be corrected.
    fn corrected(
        &self,
        owner: Owner<'_>,
        set: &MigrationSet,
        record: &Record,
        rows: &[HistoryRow],
    ) -> Option<(Vec<HistoryRow>, Result<String, String>)> {
        let (mut after, mut done) = (rows.to_vec(), Vec::new());
        if let Some((version, _)) = self
            .repair
            .unapply
            .as_ref()
            .filter(|(_, tenant)| owner.tenant().is_some_and(|member| member.name == *tenant))
        {
            match unapply(set, &after, *version) {
                Ok(at) => done.push(format!("{} is no longer recorded as applied", title(&after.remove(at)))),
                Err(problem) => return Some((after, Err(problem))),
            }
        }
        for row in after.iter_mut().filter(|row| self.repair.update.is_about(row.version)) {
            let Some(migration) = with_version(set, row.version) else { continue };
            let wanted = HistoryRow::of(migration);
            if accepted(set, row) != wanted {
                done.push(format!("{} is recorded with checksum {}", migration.title(), wanted.checksum));
                *row = wanted;
            }
        }
        if self.repair.rebuild_registry && done.is_empty() {
            let claim = record.claim;
            if (claim.version, claim.digest) != claimed(set, rows) || !claim.is_about_this_schema() {
                done.push("the registry says what its history says".to_owned());
            }
        }
        (!done.is_empty()).then(|| (after, Ok(done.join("; "))))
    }

    fn write(
        &self,
        connection: &mut Connection<'_>,
        owner: Owner<'_>,
        set: &MigrationSet,
        record: &Record,
        before: &[HistoryRow],
        after: &[HistoryRow],
    ) -> Result<Result<(), String>, Error> {
        if self.repair.dry_run {
            return Ok(Ok(()));
        }
        let says = if let Standing::Applied(applied) = compare(set, after).0 {
            Says::Applied(applied, applied)
        } else {
            let (version, digest) = claimed(set, after);
            Says::Something(version, digest)
        };
        let planned =
            Rewrite { owner, set, claim: record.claim, is_registered: true, before, after, says, unless: None };
        or_refused(rewrite(self.engine, connection, &planned).map(|is_written| {
            is_written.then_some(()).ok_or_else(|| "another session changed it in the meantime; run again".to_owned())
        }))
    }
}

/// A statement that the server refused is the schema's problem, not the repair's.
fn or_refused<T>(done: Result<Result<T, String>, Error>) -> Result<Result<T, String>, Error> {
    match done {
        Err(error @ (Error::Locked { .. } | Error::Server { .. })) if !error.is_lost_connection() => {
            Ok(Err(error.to_string()))
        }
        done => done,
    }
}

fn named(owner: Owner<'_>, record: &Record) -> DivergedSchema {
    DivergedSchema { tenant: owner.tenant().map(|member| member.name.clone()), schema: record.schema.clone() }
}

/// What is recorded of the shared schema.
fn shared_record(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    errors: &TransientErrors,
    claim: Claim,
    has_registry: bool,
) -> Result<Record, Error> {
    let layout = engine.layout();
    let schema = layout.shared.to_string();
    let doing = |error: &postgres::Error| Error::from_driver(format!("reading the mark of schema {schema}"), error);
    let history = connection.ask(errors, |client| read_history(client, &schema))?;
    let has_history = connection.ask(errors, |client| history_exists(client, &schema))?;
    let mark = if has_registry {
        let read = |client: &mut Client| read_mark(client, layout, Owner::Shared).map_err(|error| doing(&error));
        connection.ask(errors, read)?.mark.map(|mark| mark.version)
    } else {
        None
    };
    Ok(Record { schema, claim, is_registered: true, has_history, mark, history })
}

/// The version and the digest that the registry has of this history. Without a digest, a run reads the history.
fn claimed(set: &MigrationSet, rows: &[HistoryRow]) -> (Option<i64>, Option<Digest>) {
    let (standing, digest) = compare(set, rows);
    let is_known = matches!(standing, Standing::Applied(_) | Standing::Ahead { .. });
    (rows.last().map(|row| row.version), is_known.then_some(digest))
}

fn title(row: &HistoryRow) -> String {
    format!("V{}__{}", row.version, row.name)
}

fn with_version(set: &MigrationSet, version: i64) -> Option<&Migration> {
    set.migrations().iter().find(|migration| migration.version() == version)
}

/// The place of a version in the history, if it can be taken out.
fn unapply(set: &MigrationSet, rows: &[HistoryRow], version: i64) -> Result<usize, String> {
    let Some(at) = rows.iter().position(|row| row.version == version) else {
        let last =
            rows.last().map_or_else(|| "it is empty".to_owned(), |row| format!("its last one is {}", title(row)));
        return Err(format!("its history has no version {version}; {last}"));
    };
    match rows.last() {
        Some(last) if last.version != version && with_version(set, version).is_some() => Err(format!(
            "{} cannot be taken out of the history while {} is in it: a run would refuse the gap; take out the later \
             versions first",
            title(&rows[at]),
            title(last)
        )),
        _ => Ok(at),
    }
}
