//! The schemas of one set: mapped, compared with their own histories, and written.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Display;

use super::foreign::History;
use super::mapping::Mapping;
use super::proof::Texts;
use super::read::hash;
use super::reading::{Candidate, Registered, Run};
use super::rules::{MapRule, Scope};
use crate::execute::{Rewrite, Says, rewrite};
use crate::names::{Ident, Literal, Member, NameError, SchemaName, TenantName};
use crate::plan::Standing;
use crate::report::{Error, ImportOutcome, ImportedSchema, ImportedSet, Refusal, ServerError, Tool};
use crate::server::{Connection, Use};
use crate::set::MigrationSet;
use crate::store::{Claim, HistoryRow, Owner, find_tenant};

/// The schemas of one set.
pub(super) struct Stage<'a> {
    pub(super) run: &'a Run<'a>,
    pub(super) scope: Scope,
    pub(super) candidates: Vec<Candidate>,
    pub(super) states: &'a [Result<History, Refusal>],
}

/// A schema's own history before and after the import, and the registry's row.
struct Planned<'a> {
    before: &'a [HistoryRow],
    /// Borrowed if the history stays as it is, and only the registry's row is written.
    after: Cow<'a, [HistoryRow]>,
    says: Says,
}

impl Stage<'_> {
    fn set(&self) -> &MigrationSet {
        match self.scope {
            Scope::Shared => self.run.engine.sets.shared,
            Scope::Tenant => self.run.engine.sets.tenant,
        }
    }

    /// The different histories, each with the number of schemas that have it.
    fn histories(&self) -> Vec<(&History, usize)> {
        let mut counts = vec![0; self.states.len()];
        self.candidates.iter().for_each(|one| counts[one.state] += 1);
        let counted = self.states.iter().zip(counts).filter(|(_, count)| *count > 0);
        counted.filter_map(|(history, count)| Some((history.as_ref().ok()?, count))).collect()
    }

    /// Whether the rule is about a migration that is applied to one of the schemas.
    pub(super) fn uses(&self, rule: &MapRule) -> bool {
        let mut applied = self.histories().into_iter().flat_map(|(history, _)| &history.applied);
        applied.any(|foreign| rule.matches(self.scope, &foreign.id).is_some())
    }

    /// Imports the schemas; `None` if there are none.
    pub(super) fn import(
        &self,
        connection: &mut Connection<'_>,
        registered: &Registered,
    ) -> Result<Option<ImportedSet>, Error> {
        if self.candidates.is_empty() {
            return Ok(None);
        }
        let (run, set) = (self.run, self.set());
        let texts = match run.tool {
            Tool::Sqlx => connection.ask(&run.errors, |client| Texts::ask(client, set))?,
            _ => Texts::default(),
        };
        let histories = self.histories();
        let mapping = Mapping::new(set, self.scope, &run.options.rules, &histories, &texts);
        let position = |history: &Result<History, Refusal>| mapping.position(history.as_ref().map_err(Clone::clone)?);
        let positions: Vec<Result<usize, Refusal>> = self.states.iter().map(position).collect();
        let left_out: BTreeSet<String> = histories.iter().flat_map(|(history, _)| history.left_out.clone()).collect();
        let mut schemas = Vec::with_capacity(self.candidates.len());
        for candidate in &self.candidates {
            let schema = candidate.found.schema.clone();
            let (tenant, version, outcome) =
                match self.tenant(&schema, registered).map(|tenant| (tenant, positions[candidate.state].clone())) {
                    Err(refusal) => (None, None, ImportOutcome::Refused(refusal)),
                    Ok((tenant, Err(refusal))) => (tenant, None, ImportOutcome::Refused(refusal)),
                    Ok((tenant, Ok(applied))) => {
                        let done = self.import_schema(connection, candidate, tenant.as_ref(), applied, registered)?;
                        (tenant, set.version_at(applied), done)
                    }
                };
            let tenant = tenant.map(|member| member.name);
            schemas.push(ImportedSchema { schema, tenant, version, outcome });
        }
        let (mapping, left_out) = (mapping.rows(), left_out.into_iter().collect());
        Ok(Some(ImportedSet { set: set.name().clone(), mapping, left_out, schemas }))
    }

    /// The tenant whose schema it is, which has the schema's name unless it is registered under another one; `None` for
    /// the shared schema.
    fn tenant(&self, schema: &str, registered: &Registered) -> Result<Option<Member>, Refusal> {
        if self.scope == Scope::Shared {
            return Ok(None);
        }
        if let Some((member, _)) = registered.tenants.get(schema) {
            return Ok(Some(member.clone()));
        }
        let refused = |error: &dyn Display| unusable(schema, error);
        let name: TenantName = schema.parse().map_err(|error: NameError| refused(&error))?;
        let new: SchemaName = schema.parse().map_err(|error: NameError| refused(&error))?;
        if let Some(member) = registered.names.get(&name) {
            return Err(refused(&format_args!("tenant {name} is registered with schema {}", member.schema)));
        }
        self.run.engine.layout().member(&name, new).map(Some).map_err(|error| refused(&error))
    }

    fn import_schema(
        &self,
        connection: &mut Connection<'_>,
        candidate: &Candidate,
        tenant: Option<&Member>,
        applied: usize,
        registered: &Registered,
    ) -> Result<ImportOutcome, Error> {
        let Planned { before, after, says } = match self.plan(candidate, applied) {
            Ok(planned) => planned,
            Err(refusal) => return Ok(ImportOutcome::Refused(refusal)),
        };
        let claim = match tenant {
            None => registered.shared.digest.map(|_| registered.shared),
            Some(member) => registered.tenants.get(member.schema.as_str()).map(|(_, claim)| *claim),
        };
        let is_recorded = claim.is_some_and(|claim| claim.digest.is_none() || claim.is_about_this_schema());
        if matches!(after, Cow::Borrowed(_)) && is_recorded {
            return Ok(ImportOutcome::Unchanged);
        }
        if self.run.options.dry_run {
            return Ok(ImportOutcome::Imported);
        }
        let planned = Rewrite {
            owner: tenant.map_or(Owner::Shared, Owner::Tenant),
            set: self.set(),
            claim: Claim { oid: Some(candidate.found.oid), ..claim.unwrap_or_default() },
            is_registered: claim.is_some(),
            before,
            after: &after,
            says,
            unless: Some(&self.has_other_rows(candidate)),
        };
        self.write(connection, &planned)
    }

    /// The schema's history after the import, if its present one does not contradict the tool's.
    fn plan<'a>(&self, candidate: &'a Candidate, applied: usize) -> Result<Planned<'a>, Refusal> {
        let Some(own) = &candidate.own else {
            let after = self.set().migrations()[..applied].iter().map(HistoryRow::of).collect();
            return Ok(Planned { before: &[], after, says: Says::Applied(0, applied) });
        };
        let kept = |says| Planned { before: &own.rows, after: Cow::Borrowed(&own.rows), says };
        let at = |applied| match self.set().titles(0..applied).last() {
            Some(title) => format!("ends with {title}"),
            None => "is empty".to_owned(),
        };
        let ours = match &own.standing {
            Standing::Applied(own) if *own >= applied => return Ok(kept(Says::Applied(0, *own))),
            Standing::Ahead { version } => return Ok(kept(Says::Something(Some(*version), None))),
            Standing::Applied(own) => at(*own),
            Standing::Diverged(divergence) => format!("is not the set's ({divergence})"),
            Standing::Unreadable(problem) => format!("cannot be read ({problem})"),
            Standing::Unrecorded | Standing::Missing => return Err(Refusal::Changed),
        };
        Err(Refusal::Differs { ours, theirs: at(applied) })
    }

    /// The condition that the tool's table has other rows than when it was read.
    fn has_other_rows(&self, candidate: &Candidate) -> String {
        let query = hash(&self.run.source, self.run.table, &candidate.found.schema);
        format!("({query}) <> {}", Literal(&candidate.hash))
    }

    /// Why a plan is out of date: its tenant's name may have been taken in the meantime.
    fn changed(&self, connection: &mut Connection<'_>, planned: &Rewrite<'_>) -> Result<Refusal, Error> {
        let (Owner::Tenant(member), false) = (planned.owner, planned.is_registered) else {
            return Ok(Refusal::Changed);
        };
        let layout = self.run.engine.layout();
        let holder = connection.ask(&self.run.errors, |client| find_tenant(client, layout, &member.name))?;
        Ok(match holder.map(|found| found.member()).filter(|holder| holder.schema != member.schema) {
            Some(holder) => {
                let Member { name, schema } = &holder;
                let problem = format!("tenant {name} is registered with schema {schema}");
                unusable(member.schema.as_str(), &problem)
            }
            None => Refusal::Changed,
        })
    }

    fn write(&self, connection: &mut Connection<'_>, planned: &Rewrite<'_>) -> Result<ImportOutcome, Error> {
        let engine = self.run.engine;
        engine.may_begin()?;
        connection.renew_after(engine.settings().schemas_per_connection, &self.run.errors)?;
        connection.used(Use::Change);
        match rewrite(engine, connection, planned) {
            Ok(true) => Ok(ImportOutcome::Imported),
            Ok(false) => self.changed(connection, planned).map(ImportOutcome::Refused),
            Err(error) if error.is_lost_connection() => Err(error),
            Err(Error::Server { source, .. }) => Ok(ImportOutcome::Refused(Refusal::Server(one_line(&source)))),
            Err(error) => Err(error),
        }
    }
}

/// Why a schema cannot be a tenant's, and what to do.
fn unusable(schema: &str, problem: &dyn Display) -> Refusal {
    Refusal::Name(format!("{problem}; rename it (ALTER SCHEMA {} RENAME TO …), or leave it out", Ident(schema)))
}

fn one_line(error: &ServerError) -> String {
    format!("{}: {}", error.sqlstate(), error.message())
}
