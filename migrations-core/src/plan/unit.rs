//! A unit of work: one schema to bring to the end of its set, in the parts and steps that this takes.

use std::ops::Range;
use std::time::Duration;

use super::script::{Script, Step};
use crate::engine::{Engine, Point, Settings};
use crate::names::{Ident, Literal, Member, RoleName, fill};
use crate::server::{Local, check_constraints, epilogue};
use crate::set::{self, Migration, MigrationSet, Qualified, Whose};
use crate::store::{
    self, BEGINNING, Claim, Layout, Lock, Mark, Marked, Owner, claim_unit, codes, create_history, finish, guard_name,
    half_done, insert_history, record, register, renew_unfinished, replace_mark, tenant_exists,
};

/// Raises if the transaction changed something outside the given schemas.
const INSPECTION: &str = include_str!("inspection.sql");

/// One schema to bring up to date, and what is known about it.
#[derive(Clone, Copy)]
pub(crate) struct Unit<'a> {
    pub(crate) engine: &'a Engine<'a>,
    pub(crate) set: &'a MigrationSet,
    pub(crate) owner: Owner<'a>,
    /// The state that the guard compares.
    pub(crate) claim: Claim,
    /// The number of migrations that are applied.
    pub(crate) applied: usize,
    pub(crate) origin: Origin,
    /// The tenant that the last transaction makes of a schema that is created in several transactions.
    pub(crate) rename_to: Option<&'a Member>,
    pub(crate) policy: Policy,
}

/// Whether the schema exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It exists.
    Exists,
    /// It is created with its content, in one transaction; for a tenant with an id, if one was drawn.
    Created { id: Option<i64> },
}

/// The way a unit is carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Whether commits wait for the disk.
    pub(crate) durable: bool,
    /// How long a statement waits for a table lock.
    pub(crate) lock_timeout: Duration,
    /// How long a statement may take; zero: without a limit. `None`: the server's setting.
    pub(crate) statement_timeout: Option<Duration>,
    /// Whether transactions inspect what they wrote, and roll back if something of it is outside the tenant.
    pub(crate) inspect: bool,
    /// Whether to locate a failure even if it is transient. That can mean waiting for the same lock again, so only the
    /// last attempt does it.
    pub(crate) is_last_try: bool,
}

/// Migrations that commit together, or one that commits while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// These migrations, in one transaction.
    Transaction(Range<usize>),
    /// This migration, outside a transaction.
    Outside(usize),
}

impl<'a> Unit<'a> {
    /// An existing schema, with no migration applied as far as is known. The commits of tenants are on disk when the
    /// run's last commit is.
    pub(crate) fn new(engine: &'a Engine<'a>, owner: Owner<'a>, claim: Claim) -> Self {
        let set = match owner {
            Owner::Registry => engine.sets.registry,
            Owner::Shared => engine.sets.shared,
            Owner::Tenant(_) => engine.sets.tenant,
        };
        let durable = !matches!(owner, Owner::Tenant(_));
        let Settings { lock_timeout, statement_timeout, .. } = *engine.settings();
        let policy = Policy { durable, lock_timeout, statement_timeout, inspect: false, is_last_try: true };
        Self { engine, set, owner, claim, applied: 0, origin: Origin::Exists, rename_to: None, policy }
    }

    pub(crate) fn layout(&self) -> &'a Layout {
        self.engine.layout()
    }

    pub(crate) fn schema(&self) -> &'a str {
        self.owner.schema(self.layout())
    }

    /// The owner of the schema, for people.
    pub(crate) fn shown(&self) -> String {
        self.owner.shown(self.layout())
    }

    pub(crate) fn tenant(&self) -> Option<&'a Member> {
        self.owner.tenant()
    }

    /// Whether the unit creates a tenant under the tenant's own name.
    pub(crate) fn is_new_tenant(&self) -> bool {
        let is_created = matches!(self.origin, Origin::Created { .. });
        is_created && self.tenant().is_some_and(|member| !member.is_spare())
    }

    /// The role that the migrations run as, if it is not the connection's.
    pub(crate) fn role(&self) -> Option<&'a str> {
        let role = self.engine.settings().tenant_role.as_ref();
        role.filter(|_| self.tenant().is_some()).map(RoleName::as_str)
    }

    /// The parts, in order. There is at least one, since the registry's row is always written.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let all = self.applied..self.set.migrations().len();
        // No other session can see a schema that is being created, so nothing in it has to run concurrently.
        let is_new = matches!(self.origin, Origin::Created { .. });
        let commits = &self.engine.learnt().commits;
        let is_apart = |migration: &Migration| {
            migration.is_outside_a_transaction()
                && (!is_new || migration.is_apart_for_a_new_schema() || commits.are_needed_within(migration))
        };
        let mut parts = Vec::new();
        let mut start = all.start;
        for index in all.clone() {
            if start < index && commits.are_needed(self.set, index) {
                parts.push(Part::Transaction(start..index));
                start = index;
            }
            if is_apart(&self.set.migrations()[index]) {
                // The schema is created in a transaction, with or without a migration.
                if start < index || is_new && parts.is_empty() {
                    parts.push(Part::Transaction(start..index));
                }
                parts.push(Part::Outside(index));
                start = index + 1;
            }
        }
        if start < all.end || parts.is_empty() || self.rename_to.is_some() {
            parts.push(Part::Transaction(start..all.end));
        }
        parts
    }

    /// The transaction that applies these migrations.
    pub(crate) fn script(&self, migrations: Range<usize>) -> Script {
        let mut script = Script::default();
        script.extend(Step::Guard, self.opening(&self.unless_half_done(&migrations)));
        script.extend(Step::Guard, self.engine.gate().at(Point::Locked));
        let rename_to = self.rename_to.filter(|_| migrations.end == self.set.migrations().len());
        script.extend(Step::Guard, rename_to.map(|member| guard_name(self.layout(), member)));
        if let Origin::Created { id } = self.origin {
            script.extend(Step::Create, self.tenant().map(|member| register(self.layout(), member, id)));
            let owner = self.role().map_or_else(String::new, |role| format!(" AUTHORIZATION {}", Ident(role)));
            script.push(Step::Create, format!("CREATE SCHEMA {}{owner}", Ident(self.schema())));
        }
        if migrations.start == 0 {
            script.push(Step::Create, create_history(self.schema()));
        }
        self.migrate(&mut script, migrations.clone());
        script.append(self.closing(migrations));
        script
    }

    /// Adds these migrations, each with its epilogue and its history row.
    pub(super) fn migrate(&self, script: &mut Script, migrations: Range<usize>) {
        for index in migrations {
            let migration = &self.set.migrations()[index];
            script.extend(Step::Prepare(index), self.preparation());
            script.push_text(index, self.text(migration, None));
            script.extend(Step::CleanUp(index), self.epilogue());
            script.push(Step::CleanUp(index), insert_history(self.schema(), migration));
        }
    }

    /// Adds the statements that follow the migrations of a transaction.
    fn closing(&self, migrations: Range<usize>) -> Script {
        let mut script = Script::default();
        if self.policy.inspect {
            script.push(Step::Inspect, self.inspection(migrations.clone()));
        }
        script.extend(Step::Record, self.engine.gate().at(Point::Applied));
        script.push(Step::Record, self.record(&migrations));
        let is_last = migrations.end == self.set.migrations().len();
        match self.rename_to {
            Some(member) if is_last => script.extend(Step::Rename, finish(self.layout(), self.schema(), member)),
            Some(_) => script.push(Step::Rename, renew_unfinished(self.layout(), self.schema())),
            None => {}
        }
        script.extend(Step::Record, self.engine.gate().at(Point::Recorded));
        script
    }

    /// The transaction for one unit of a migration that runs outside a transaction: it replaces one mark with the next.
    /// So the unit runs exactly once, even if the lock on the schema was lost in the meantime.
    pub(crate) fn outside_script(&self, index: usize, unit: &set::Unit, from: &Marked, to: &Mark) -> Script {
        let migration = &self.set.migrations()[index];
        let mut script = Script::default();
        script.extend(Step::Guard, BEGINNING);
        script.extend(Step::Guard, self.transaction_settings());
        script.push(Step::Guard, claim_unit(self.layout(), self.owner, from));
        script.extend(Step::Prepare(index), self.preparation());
        for setting in migration.outside().into_iter().flat_map(|outside| outside.settings_for(unit)) {
            script.push_text(index, self.text(migration, Some(setting.clone())));
        }
        script.push_text(index, self.text(migration, Some(unit.range.clone())));
        script.extend(Step::CleanUp(index), self.epilogue());
        if self.policy.inspect {
            script.push(Step::Inspect, self.inspection(index..index + 1));
        }
        script.extend(Step::Record, self.engine.gate().at(Point::Applied));
        script.push(Step::Record, self.replace_mark(from, to));
        script.extend(Step::Record, self.engine.gate().at(Point::Recorded));
        script
    }

    /// The path and the role of a migration.
    fn preparation(&self) -> impl Iterator<Item = String> {
        [self.search_path()].into_iter().chain(self.role().map(|role| format!("SET LOCAL ROLE {}", Ident(role))))
    }

    /// The statements after a migration's text.
    fn epilogue(&self) -> impl Iterator<Item = String> {
        let local = Local {
            application_name: self.engine.database.config().get_application_name(),
            lock_timeout: self.policy.lock_timeout,
            statement_timeout: self.policy.statement_timeout,
            durable: self.policy.durable,
        };
        let checks = self.set.defers().then(|| check_constraints(self.schema()));
        checks.into_iter().chain(epilogue(local))
    }

    /// The text to send for a migration, or for a part of it. The registry's own migrations qualify every name
    /// themselves.
    pub(crate) fn text(&self, migration: &Migration, part: Option<Range<usize>>) -> Qualified {
        match self.owner {
            Owner::Registry => Qualified::from(migration.sql().to_owned()),
            Owner::Shared => migration.qualified(self.schema(), part, Whose::Shared),
            Owner::Tenant(_) => migration.qualified(self.schema(), part, Whose::Tenant),
        }
    }

    /// The schemas that these migrations may change besides their own, according to their directives.
    pub(crate) fn allowed_schemas(&self, migrations: Range<usize>) -> Vec<&'a str> {
        let allowed = self.set.migrations()[migrations].iter().flat_map(Migration::allowed_schemas);
        allowed.map(String::as_str).collect()
    }

    /// Whether one of these migrations may change objects that belong to no schema, according to its directives.
    pub(crate) fn allows_database(&self, migrations: Range<usize>) -> bool {
        self.set.migrations()[migrations].iter().any(Migration::allows_database)
    }

    fn inspection(&self, migrations: Range<usize>) -> String {
        let allowed = self.allowed_schemas(migrations).into_iter().chain([self.schema()]);
        let allowed: Vec<_> = allowed.map(|name| Literal(name).to_string()).collect();
        let tenants = self.layout().table("tenants");
        // The query is written so that the planner expects few rows.
        let ours = "CASE WHEN age(xmin) = our_age THEN 1 \
                    WHEN age(xmin) NOT BETWEEN our_age - 10000 AND our_age THEN 0 \
                    WHEN pg_xact_status((mine + our_age - age(xmin))::text::xid8) = 'in progress' THEN 1 ELSE 0 END = 1";
        fill(
            INSPECTION,
            &[
                ("ours", &ours),
                ("allowed", &format!("ARRAY[{}]", allowed.join(", "))),
                ("tenants", &tenants),
                ("tenants_name", &Literal(&tenants)),
                ("code", &codes::ISOLATION),
            ],
        )
    }

    /// The beginning of a transaction, the guard with `body` in it, and the transaction's settings.
    pub(crate) fn opening(&self, body: &str) -> Vec<String> {
        let mut opening = BEGINNING.map(str::to_owned).to_vec();
        opening.extend(self.engine.gate().at(Point::Begun));
        opening.push(store::guard_with(self.layout(), self.lock(), &self.stale(), "", body));
        opening.extend(self.transaction_settings());
        opening
    }

    pub(super) fn transaction_settings(&self) -> impl Iterator<Item = String> {
        let Policy { durable, lock_timeout, statement_timeout, .. } = self.policy;
        let timeout = |name: &str, time: Duration| format!("SET LOCAL {name} = '{}ms'", time.as_millis());
        let statement = statement_timeout.map(|time| timeout("statement_timeout", time));
        let synchronous = (!durable).then(|| "SET LOCAL synchronous_commit = off".to_owned());
        [timeout("lock_timeout", lock_timeout)].into_iter().chain(statement).chain(synchronous)
    }

    fn lock(&self) -> Lock<'a> {
        match self.owner {
            Owner::Registry | Owner::Shared => Lock::Fleet,
            Owner::Tenant(member) => Lock::Tenant(&member.schema),
        }
    }

    /// Unqualified names refer to the schema itself first, then to the shared tables; `public` is last, because
    /// extensions are there.
    pub(crate) fn search_path(&self) -> String {
        format!("SET LOCAL search_path = {}", self.path())
    }

    /// The value of the setting.
    pub(crate) fn path(&self) -> String {
        let mut schemas = vec![self.schema()];
        let shared = self.tenant().map(|_| self.layout().shared.as_str());
        for schema in shared.into_iter().chain(["public"]) {
            if !schemas.contains(&schema) {
                schemas.push(schema);
            }
        }
        schemas.into_iter().map(|schema| Ident(schema).to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The condition under which the plan no longer holds.
    fn stale(&self) -> String {
        match (self.origin, self.owner) {
            (Origin::Created { .. }, Owner::Tenant(member)) => tenant_exists(self.layout(), member),
            _ => store::stale(self.layout(), self.owner, &self.claim, self.applied),
        }
    }

    /// Raises if a migration that is not one of the later ones has done a part of its work outside a transaction.
    fn unless_half_done(&self, migrations: &Range<usize>) -> String {
        if self.origin != Origin::Exists || self.owner == Owner::Registry {
            return String::new();
        }
        let later = self.set.migrations().get(migrations.end..).unwrap_or_default().iter();
        let later = later.filter(|migration| migration.is_outside_a_transaction());
        half_done(self.layout(), self.owner, &later.map(Migration::version).collect::<Vec<_>>())
    }

    /// Writes the registry's row after these migrations: they and all before them are applied.
    pub(crate) fn record(&self, migrations: &Range<usize>) -> String {
        let oid = self.claim.oid.filter(|_| self.origin == Origin::Exists && self.tenant().is_some());
        record(self.layout(), self.owner, self.set, migrations, oid)
    }

    /// Replaces the mark of the schema, or raises if the mark has changed.
    pub(crate) fn replace_mark(&self, from: &Marked, to: &Mark) -> String {
        replace_mark(self.layout(), self.owner, self.set, self.applied, from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Sets, Setup};
    use crate::server::Database;
    use crate::store::registry_set;
    use crate::{Error, SetError};

    fn set() -> Result<MigrationSet, SetError> {
        MigrationSet::new("tenant")?
            .with_migration("V1__a", || "SELECT 'ä' -- no line end".to_owned())?
            .with_migration("V2__b", || "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);".to_owned())?
            .with_migration("V3__c", || "SET LOCAL lock_timeout = 0; SELECT 2;".to_owned())?
            .with_migration("V4__d", || "SELECT nmae".to_owned())
    }

    /// Calls `check` with a unit of tenant acme.
    fn with_unit(origin: Origin, check: impl FnOnce(Unit<'_>)) -> Result<(), Error> {
        let (setup, set, member) = (Setup::default(), set()?, Member::of("acme".parse()?));
        let sets = Sets { registry: registry_set()?, shared: registry_set()?, tenant: &set };
        let engine = Engine::new(&setup, sets, &Database::from_url("postgres://localhost/app")?);
        check(Unit { origin, ..Unit::new(&engine, Owner::Tenant(&member), Claim::default()) });
        Ok(())
    }

    #[test]
    fn a_no_transaction_migration_splits_the_unit_unless_the_schema_is_new() -> Result<(), Error> {
        with_unit(Origin::Exists, |unit| {
            let parts = [Part::Transaction(0..1), Part::Outside(1), Part::Transaction(2..4)];
            assert_eq!(unit.parts(), parts);
            assert_eq!(Unit { applied: 4, ..unit }.parts(), [Part::Transaction(4..4)]);
        })?;
        with_unit(Origin::Created { id: None }, |unit| {
            assert_eq!(unit.parts(), [Part::Transaction(0..4)]);
            assert!(!unit.script(0..4).message().contains("CONCURRENTLY"));
            assert_eq!(Unit { applied: 4, ..unit }.parts(), [Part::Transaction(4..4)]);
        })
    }

    #[test]
    fn a_position_leads_back_to_the_migration() -> Result<(), Error> {
        with_unit(Origin::Created { id: None }, |unit| {
            let script = unit.script(0..4);
            let message = script.message();
            let position = |text: &str| {
                let at = message.find(text).unwrap_or_default();
                u32::try_from(message[..at].chars().count() + 1).unwrap_or_default()
            };
            assert_eq!(script.source_in_message(position("nmae")), Some((3, 7)));
            assert_eq!(script.source_in_message(position("SELECT 'ä'")), Some((0, 0)));
            assert_eq!(script.source_in_message(position("INSERT INTO")), None);
            assert_eq!(script.source_in_message(0), None);
            assert_eq!(script.source_in_message(u32::MAX), None);
        })
    }

    #[test]
    fn a_local_setting_does_not_reach_the_next_migration() -> Result<(), Error> {
        with_unit(Origin::Created { id: None }, |unit| {
            let message = unit.script(0..4).message();
            let (_, behind) = message.split_once("SELECT 2").unwrap_or_default();
            let (between, after) = behind.split_once("SET LOCAL search_path = \"acme\"").unwrap_or_default();
            let places =
                ["RESET ALL", "set_config('lock_timeout', '3000ms', true)", "INSERT INTO"].map(|sql| between.find(sql));
            assert!(places.is_sorted() && places[0].is_some(), "{between}");
            assert!(after.contains("SELECT nmae"));
        })
    }
}
