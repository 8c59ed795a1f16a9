//! What an import reads: the schemas, their histories, and the registry.

use std::collections::HashMap;
use std::rc::Rc;

use super::foreign::{History, Row, Source};
use super::options::{ImportOptions, TenantSchemas};
use super::read::{self, Found, Read};
use crate::engine::Engine;
use crate::flows::prepare::current_registry;
use crate::names::{Member, SchemaName, TenantName};
use crate::plan::{Standing, compare};
use crate::report::{Error, Refusal, Tool};
use crate::server::{Connection, TransientErrors};
use crate::store::{Claim, HistoryRow, Overview, Question, TenantClaim};

/// One import.
pub(super) struct Run<'a> {
    pub(super) engine: &'a Engine<'a>,
    pub(super) tool: Tool,
    pub(super) options: &'a ImportOptions,
    pub(super) source: Source,
    pub(super) table: &'a str,
    pub(super) errors: TransientErrors,
}

/// A schema with a history of the tool.
pub(super) struct Candidate {
    pub(super) found: Found,
    /// The place of its history among the different ones.
    pub(super) state: usize,
    /// The server's hash of the tool's rows.
    pub(super) hash: String,
    /// Its own history; `None` if it has none, or an empty one.
    pub(super) own: Option<Rc<Own>>,
}

/// A schema's own history, and where the schema stands according to it.
pub(super) struct Own {
    /// Empty if the history cannot be read.
    pub(super) rows: Vec<HistoryRow>,
    pub(super) standing: Standing,
}

/// The different histories of the shared schema (`true`) and of the tenants: most tenants have one of a few.
type Owns = HashMap<(bool, Vec<HistoryRow>), Rc<Own>>;

/// The different histories of a tool: most schemas have one of a few.
#[derive(Default)]
pub(super) struct States {
    pub(super) all: Vec<Result<History, Refusal>>,
    places: HashMap<Vec<Row>, usize>,
}

impl States {
    /// The place of the history that these rows are.
    fn place(&mut self, source: &Source, rows: Result<Vec<Row>, Refusal>) -> usize {
        if let Ok(rows) = &rows
            && let Some(place) = self.places.get(rows)
        {
            return *place;
        }
        let new = self.all.len();
        self.all.push(rows.as_ref().map_err(Clone::clone).and_then(|rows| (source.read)(rows)));
        if let Ok(rows) = rows {
            self.places.insert(rows, new);
        }
        new
    }
}

/// What the registry says.
pub(super) struct Registered {
    pub(super) shared: Claim,
    /// The tenants by their schemas.
    pub(super) tenants: HashMap<String, (Member, Claim)>,
    /// The tenants by their names.
    pub(super) names: HashMap<TenantName, Member>,
}

impl Run<'_> {
    /// The schemas that have a table of the tool's name.
    pub(super) fn find(&self, connection: &mut Connection<'_>) -> Result<Vec<Found>, Error> {
        let like = match &self.options.tenants {
            TenantSchemas::Like(pattern) => Some(pattern.as_str()),
            TenantSchemas::WithHistory | TenantSchemas::Registered => None,
        };
        let layout = self.engine.layout();
        let mut found = connection.ask(&self.errors, |client| read::find(client, layout, self.table, like))?;
        found.retain(|one| one.schema.parse::<SchemaName>().map_or(true, |name| !name.is_spare()));
        if found.is_empty() {
            return Err(self.no_history());
        }
        Ok(found)
    }

    /// The state of the registry; an import that writes brings the registry up to date first.
    pub(super) fn registered(&self, connection: &mut Connection<'_>) -> Result<Registered, Error> {
        let question = Question { all: true, limit: i64::MAX, ..Question::new(self.engine.sets.tenant) };
        let overview = if self.options.dry_run {
            self.engine.try_overview(connection, &self.errors, &question)?.unwrap_or_default()
        } else {
            current_registry(self.engine, connection, &question)?
        };
        let Overview { shared, tenants, .. } = overview;
        let names = tenants.iter().map(|tenant| (tenant.member.name.clone(), tenant.member.clone())).collect();
        let by_schema = |tenant: TenantClaim| (tenant.member.schema.to_string(), (tenant.member, tenant.claim));
        let tenants = tenants.into_iter().map(by_schema).collect();
        Ok(Registered { shared, tenants, names })
    }

    /// The histories of these schemas.
    pub(super) fn candidates(
        &self,
        connection: &mut Connection<'_>,
        found: &[Found],
    ) -> Result<(Vec<Candidate>, States), Error> {
        connection.ask(&self.errors, |client| {
            let (mut states, mut places) = (States::default(), HashMap::new());
            let (mut owns, mut own) = (Owns::new(), HashMap::new());
            read::rows(client, &self.source, self.table, found, |schema, read| {
                let (rows, hash) = match read {
                    Ok(Read { rows, hash }) => (Ok(rows), hash),
                    Err(refusal) => (Err(refusal), String::new()),
                };
                places.insert(schema.to_owned(), (states.place(&self.source, rows), hash));
            })?;
            read::histories(client, found, |schema, history| {
                own.extend(self.own(&mut owns, schema, history).map(|found| (schema.to_owned(), found)));
            })?;
            let candidates = found.iter().filter_map(|found| {
                let (state, hash) = places.remove(&found.schema)?;
                Some(Candidate { state, hash, own: own.remove(&found.schema), found: found.clone() })
            });
            Ok((candidates.collect(), states))
        })
    }

    /// A schema's own history, if it has rows.
    fn own(&self, owns: &mut Owns, schema: &str, history: Result<Vec<HistoryRow>, Refusal>) -> Option<Rc<Own>> {
        let is_shared = schema == self.engine.layout().shared.as_str();
        let set = if is_shared { self.engine.sets.shared } else { self.engine.sets.tenant };
        match history {
            Ok(rows) if rows.is_empty() => None,
            Ok(rows) => {
                Some(Rc::clone(owns.entry((is_shared, rows)).or_insert_with_key(|(_, rows)| {
                    Rc::new(Own { rows: rows.clone(), standing: compare(set, rows).0 })
                })))
            }
            Err(refusal) => {
                Some(Rc::new(Own { rows: Vec::new(), standing: Standing::Unreadable(refusal.to_string()) }))
            }
        }
    }

    /// Waits until everything is on disk. `lost_connections`: how many were lost before the first write.
    pub(super) fn finish(&self, connection: &mut Connection<'_>, lost_connections: usize) -> Result<(), Error> {
        connection.flush()?;
        if self.errors.lost_connections() == lost_connections {
            return Ok(());
        }
        // A server that crashed has lost what was not on disk yet.
        Err(Error::Lost {
            doing: "importing the histories".to_owned(),
            reason: "a connection was lost on the way".to_owned(),
        })
    }

    pub(super) fn no_history(&self) -> Error {
        Error::NoHistory { tool: self.tool.to_string(), table: self.table.to_owned() }
    }
}
