//! Declares migrations to be applied that no run has applied: a database that another tool migrated, or a change that
//! was made by hand. It writes histories and the registry, and runs no migration of the two sets.

use std::collections::HashMap;

use super::prepare::prepare_registry;
use crate::engine::{Baseline, Engine, TenantSelection};
use crate::execute::{Made, Rewrite, Says, made_by_shared_set, made_by_tenant_set, rewrite};
use crate::names::{Member, SchemaName, TenantName};
use crate::plan::accepted;
use crate::report::{BaselineOutcome, BaselineRefusal, Baselined, Baselines, Error};
use crate::server::{Connection, SchemaContents, TransientErrors};
use crate::set::{Migration, MigrationSet};
use crate::store::{
    Claim, HistoryRow, Listed, Owner, Record, check_name, find_tenant, history_exists, listed_tenants, owner_of,
    read_history, read_records, unregistered_schemas,
};

/// The number of schemas about which the registry and the histories are asked at a time.
const PAGE: usize = 500;

/// How often a schema is planned again because another session changes it.
const TRIES: usize = 20;

/// Records the baseline of the shared schema.
pub(crate) fn shared(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    baseline: &Baseline,
) -> Result<Baselined, Error> {
    let mut task = Task::new(engine, false, baseline)?;
    prepare_registry(engine, connection)?;
    let done = task.settle(connection, None, None)?;
    task.finish(connection)?;
    Ok(done)
}

/// Records the baseline of these tenants, each in a transaction of its own.
pub(crate) fn tenants(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    selection: &TenantSelection,
    baseline: &Baseline,
) -> Result<Baselines, Error> {
    let mut task = Task::new(engine, true, baseline)?;
    prepare_registry(engine, connection)?;
    let tenants = select(engine, connection, &task.errors, selection, baseline.adopt)?;
    let mut done = Baselines::default();
    for page in tenants.chunks(PAGE) {
        let schemas: Vec<String> = page.iter().map(|selected| selected.listed.schema.clone()).collect();
        let records = connection.ask(&task.errors, |client| read_records(client, engine.layout(), &schemas))?;
        for (selected, record) in page.iter().zip(records) {
            engine.may_begin()?;
            done.schemas.push(task.tenant(connection, selected, record)?);
        }
    }
    task.finish(connection)?;
    Ok(done)
}

/// The tenant, or why the registry or this selection does not name one.
fn member(engine: &Engine<'_>, listed: &Listed) -> Result<Member, BaselineRefusal> {
    let name: TenantName = listed.name.parse().map_err(BaselineRefusal::Name)?;
    let schema: SchemaName = listed.schema.parse().map_err(BaselineRefusal::Name)?;
    engine.layout().member(&name, schema).map_err(|error| BaselineRefusal::Failed(error.to_string()))
}

/// A tenant that a baseline is about.
struct Selected {
    listed: Listed,
    /// Whether the registry has it. If not, schema and tenant are to have the same name.
    is_registered: bool,
}

/// The tenants of the selection: registered ones in the order of registration, then schemas that are not registered, by
/// their names, which would be the tenants'.
fn select(
    engine: &Engine<'_>,
    connection: &mut Connection<'_>,
    errors: &TransientErrors,
    selection: &TenantSelection,
    with_unregistered: bool,
) -> Result<Vec<Selected>, Error> {
    let layout = engine.layout();
    let listed = connection.ask(errors, |client| listed_tenants(client, layout))?;
    let registered = |listed: &Listed| Selected { listed: listed.clone(), is_registered: true };
    let unregistered = |name: &str| {
        let listed = Listed { name: name.to_owned(), schema: name.to_owned() };
        Selected { listed, is_registered: false }
    };
    match selection {
        TenantSelection::Named(names) => {
            let known: HashMap<&str, &Listed> = listed.iter().map(|known| (known.name.as_str(), known)).collect();
            let mut tenants: Vec<Selected> = Vec::new();
            for name in names {
                check_name(name)?;
                if !tenants.iter().any(|selected| selected.listed.name == name.as_str()) {
                    let known = known.get(name.as_str()).map(|listed| registered(listed));
                    tenants.push(known.unwrap_or_else(|| unregistered(name.as_str())));
                }
            }
            Ok(tenants)
        }
        TenantSelection::All => Ok(listed.iter().map(registered).collect()),
        TenantSelection::Matching(pattern) => {
            let mut tenants: Vec<Selected> = listed.iter().map(registered).collect();
            if with_unregistered {
                let schemas = connection.ask(errors, |client| unregistered_schemas(client, layout))?;
                tenants.extend(schemas.iter().map(|schema| unregistered(schema)));
            }
            tenants.retain(|tenant| pattern.matches(&tenant.listed.name));
            Ok(tenants)
        }
    }
}

/// A baseline on its way to one schema after the other.
struct Task<'a> {
    engine: &'a Engine<'a>,
    set: &'a MigrationSet,
    baseline: &'a Baseline,
    /// The number of migrations that are declared to be applied.
    position: usize,
    /// What they make, once that was found out.
    made: Option<Made>,
    /// Counts connections that were lost and replaced.
    errors: TransientErrors,
}

/// What is to be done with a schema.
enum Plan {
    Refuse(BaselineRefusal),
    /// History and registry say it already.
    Leave,
    /// These rows in place of the present ones; the first migration that they add.
    Write {
        after: Vec<HistoryRow>,
        from: usize,
    },
}

impl<'a> Task<'a> {
    fn new(engine: &'a Engine<'a>, is_tenant: bool, baseline: &'a Baseline) -> Result<Self, Error> {
        let set = if is_tenant { engine.sets.tenant } else { engine.sets.shared };
        Ok(Self {
            engine,
            set,
            baseline,
            position: position(set, baseline.at)?,
            made: None,
            errors: TransientErrors::default(),
        })
    }

    /// Waits until everything is on disk.
    fn finish(&self, connection: &mut Connection<'_>) -> Result<(), Error> {
        connection.flush()?;
        if self.errors.lost_connections() == 0 {
            return Ok(());
        }
        // A server that crashed has lost what was not on disk yet.
        Err(Error::Lost {
            doing: "recording the baseline".to_owned(),
            reason: "a connection was lost on the way".to_owned(),
        })
    }

    /// Brings one tenant to the baseline, or says why not.
    fn tenant(
        &mut self,
        connection: &mut Connection<'_>,
        selected: &Selected,
        record: Record,
    ) -> Result<Baselined, Error> {
        let schema = &selected.listed.schema;
        let member = match member(self.engine, &selected.listed) {
            Ok(member) => member,
            Err(refusal) => return Ok(refused(schema, None, false, refusal)),
        };
        // The record is found by the schema, whoever has it.
        if !selected.is_registered
            && (record.is_registered || self.baseline.adopt && self.baseline.verify)
            && let Some(refusal) = self.taken(connection, &member)?
        {
            return Ok(refused(schema, None, false, refusal));
        }
        self.settle(connection, Some(&member), Some(record))
    }

    /// Why the registry has no room for the tenant with this schema, if it has none.
    fn taken(&self, connection: &mut Connection<'_>, member: &Member) -> Result<Option<BaselineRefusal>, Error> {
        let (layout, errors) = (self.engine.layout(), &self.errors);
        let owner = connection.ask(errors, |client| owner_of(client, layout, &member.schema))?;
        if let Some(owner) = owner.filter(|owner| owner.name != member.name) {
            return Ok(Some(BaselineRefusal::SchemaTaken { owner: owner.name }));
        }
        let holder = connection.ask(errors, |client| find_tenant(client, layout, &member.name))?;
        let schema = holder.map(|found| found.tenant.schema).filter(|schema| *schema != member.schema);
        Ok(schema.map(|schema| BaselineRefusal::NameTaken { schema }))
    }

    /// Brings one schema to the baseline, or says why not.
    fn settle(
        &mut self,
        connection: &mut Connection<'_>,
        member: Option<&Member>,
        mut record: Option<Record>,
    ) -> Result<Baselined, Error> {
        let owner = member.map_or(Owner::Shared, Owner::Tenant);
        let schema = owner.schema(self.engine.layout());
        let tenant = member.map(|member| member.name.clone());
        let mut is_proved = false;
        for _ in 0..TRIES {
            let found = match record.take() {
                Some(found) => found,
                None => self.look(connection, schema, owner)?,
            };
            let (after, from) = match self.plan(&found) {
                Plan::Refuse(refusal) => return Ok(refused(schema, tenant, false, refusal)),
                Plan::Leave if !self.baseline.verify || is_proved => {
                    return Ok(Baselined {
                        schema: schema.to_owned(),
                        tenant,
                        is_proved,
                        outcome: BaselineOutcome::Unchanged,
                    });
                }
                Plan::Leave => (Vec::new(), None),
                Plan::Write { after, from } => (after, Some(from)),
            };
            if self.baseline.verify && !is_proved {
                if let Some(refusal) = self.prove(connection, schema, owner)? {
                    return Ok(refused(schema, tenant, false, refusal));
                }
                is_proved = true;
            }
            let Some(from) = from else { continue };
            match self.write(connection, owner, &found, &after, from) {
                Ok(true) => {
                    let added = self.set.titles(from..self.position);
                    let is_new = !added.is_empty() || !found.has_history || !found.is_registered;
                    let outcome = if is_new { BaselineOutcome::Recorded(added) } else { BaselineOutcome::Unchanged };
                    return Ok(Baselined { schema: schema.to_owned(), tenant, is_proved, outcome });
                }
                Ok(false) => {
                    // What was compared may have changed, too.
                    is_proved = false;
                    if let Some(member) = member.filter(|_| !found.is_registered)
                        && let Some(refusal) = self.taken(connection, member)?
                    {
                        return Ok(refused(schema, None, false, refusal));
                    }
                }
                Err(error @ (Error::Locked { .. } | Error::Server { .. })) if !error.is_lost_connection() => {
                    return Ok(refused(schema, tenant, is_proved, BaselineRefusal::Failed(error.to_string())));
                }
                Err(error) => return Err(error),
            }
        }
        let problem = "other sessions keep changing its history or its registration; run again".to_owned();
        Ok(refused(schema, tenant, is_proved, BaselineRefusal::Failed(problem)))
    }

    /// What is recorded of one schema now.
    fn look(&self, connection: &mut Connection<'_>, schema: &str, owner: Owner<'_>) -> Result<Record, Error> {
        let (layout, errors) = (self.engine.layout(), &self.errors);
        if owner.tenant().is_some() {
            let schemas = [schema.to_owned()];
            let records = connection.ask(errors, |client| read_records(client, layout, &schemas))?;
            return records.into_iter().next().ok_or_else(|| Error::Lost {
                doing: format!("reading the history of schema {schema}"),
                reason: "the server sent no answer".to_owned(),
            });
        }
        let claim = prepare_registry(self.engine, connection)?.shared;
        let history = connection.ask(errors, |client| read_history(client, schema))?;
        let has_history = connection.ask(errors, |client| history_exists(client, schema))?;
        Ok(Record { schema: schema.to_owned(), claim, is_registered: true, has_history, mark: None, history })
    }

    fn plan(&self, found: &Record) -> Plan {
        if found.claim.oid.is_none() {
            return Plan::Refuse(BaselineRefusal::Missing);
        }
        if !found.is_registered && !self.baseline.adopt {
            return Plan::Refuse(BaselineRefusal::NotRegistered);
        }
        let recorded = match &found.history {
            Ok(rows) => rows,
            Err(problem) => return Plan::Refuse(BaselineRefusal::Unreadable(problem.clone())),
        };
        let wanted: Vec<HistoryRow> = self.set.migrations()[..self.position].iter().map(HistoryRow::of).collect();
        let same = recorded.iter().zip(&wanted).take_while(|(row, wanted)| accepted(self.set, row) == **wanted).count();
        if same < recorded.len() {
            let titles = |rows: &[HistoryRow]| rows.iter().map(HistoryRow::title_and_checksum).collect();
            let (recorded, baseline) = (titles(&recorded[same..]), titles(&wanted[same..]));
            return Plan::Refuse(BaselineRefusal::Other { same, recorded, baseline });
        }
        if same > 0 && same < wanted.len() && !self.baseline.fake {
            return Plan::Refuse(BaselineRefusal::Pending(self.set.titles(same..wanted.len())));
        }
        let Claim { digest, version, .. } = found.claim;
        let is_recorded = found.claim.is_about_this_schema()
            && digest == Some(self.set.digest_at(self.position))
            && version == self.set.version_at(self.position);
        if same == wanted.len() && found.has_history && found.is_registered && is_recorded {
            return Plan::Leave;
        }
        // Rows that stay keep the checksum that they have.
        let after = recorded.iter().chain(&wanted[same..]).cloned().collect();
        Plan::Write { after, from: same }
    }

    fn write(
        &self,
        connection: &mut Connection<'_>,
        owner: Owner<'_>,
        found: &Record,
        after: &[HistoryRow],
        from: usize,
    ) -> Result<bool, Error> {
        let before = found.history.as_deref().unwrap_or_default();
        let planned = Rewrite {
            owner,
            set: self.set,
            claim: found.claim,
            is_registered: found.is_registered,
            before,
            after,
            says: Says::Applied(from, self.position),
            unless: None,
        };
        rewrite(self.engine, connection, &planned)
    }

    /// Why the schema is not what the migrations make, or why that is not known; `None` if it is certain.
    fn prove(
        &mut self,
        connection: &mut Connection<'_>,
        schema: &str,
        owner: Owner<'_>,
    ) -> Result<Option<BaselineRefusal>, Error> {
        if self.made.is_none() {
            let version = self.set.version_at(self.position);
            let part = version.map_or_else(|| self.set.up_to(i64::MIN), |version| self.set.up_to(version));
            let make = if owner.tenant().is_some() { made_by_tenant_set } else { made_by_shared_set };
            self.made = Some(make(self.engine, connection, &part)?);
        }
        let made = match &self.made {
            Some(Ok(made)) => made,
            Some(Err(problem)) => return Ok(Some(BaselineRefusal::Unproved(problem.clone()))),
            None => return Ok(None),
        };
        let here = connection.ask(&self.errors, |client| {
            SchemaContents::read(client, schema)
                .map_err(|error| Error::from_driver(format!("reading the contents of schema {schema}"), &error))
        })?;
        let difference = here.compare(made, &self.baseline.ignore);
        Ok((!difference.is_empty()).then_some(BaselineRefusal::Different(difference)))
    }
}

fn refused(schema: &str, tenant: Option<TenantName>, is_proved: bool, refusal: BaselineRefusal) -> Baselined {
    Baselined { schema: schema.to_owned(), tenant, is_proved, outcome: BaselineOutcome::Refused(refusal) }
}

/// The number of migrations up to this version, which must be one of the set's.
fn position(set: &MigrationSet, version: Option<i64>) -> Result<usize, Error> {
    let Some(version) = version else { return Ok(0) };
    let at = set.migrations().partition_point(|migration| migration.version() < version);
    if set.migrations().get(at).map(Migration::version) == Some(version) {
        return Ok(at + 1);
    }
    let nearest = set.titles(at.saturating_sub(1)..(at + 1).min(set.migrations().len()));
    Err(Error::UnknownVersion { set: set.name().clone(), version, nearest })
}
