//! The other tool's migrations, in their order, and a set: which of the set's migrations are applied. Pure.
//!
//! Nothing is guessed from the order or from the number of the files. What has no counterpart is refused, with every
//! schema that has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::foreign::{Foreign, History};
use super::proof::Texts;
use super::rules::{MapRule, Scope};
use crate::report::{Basis, Comparison, Counterpart, Refusal};
use crate::set::{Migration, MigrationSet};

/// The correspondence of everything that is applied to one of the schemas.
pub(super) struct Mapping<'a> {
    set: &'a MigrationSet,
    /// In the order of the tool.
    known: Vec<Known>,
    /// What a migration of the set, by its index, stands for.
    sources: BTreeMap<usize, Sources>,
}

/// What corresponds to one migration of the set.
#[derive(Default)]
struct Sources {
    /// According to rules: all of them have to be applied.
    required: BTreeSet<String>,
    /// Without a rule: one of them, as other schemas can have another one.
    inferred: BTreeSet<String>,
}

struct Known {
    foreign: Foreign,
    /// `None`: nothing corresponds to it, and nothing says that this is right.
    ours: Option<Vec<usize>>,
    basis: Basis,
    comparison: Comparison,
    schemas: usize,
}

impl<'a> Mapping<'a> {
    /// The mapping for these histories, each with the number of schemas that have it.
    pub(super) fn new(
        set: &'a MigrationSet,
        scope: Scope,
        rules: &[MapRule],
        histories: &[(&History, usize)],
        texts: &Texts,
    ) -> Self {
        let mut known = union(histories);
        for one in &mut known {
            (one.ours, one.basis) = counterparts(set, scope, rules, &one.foreign);
            one.comparison = match one.ours.as_deref() {
                Some(&[only]) => texts.compare(&set.migrations()[only], histories, &one.foreign.id),
                _ => Comparison::Unknown,
            };
        }
        let mut sources: BTreeMap<usize, Sources> = BTreeMap::new();
        for one in &known {
            for index in one.ours.iter().flatten() {
                let of = sources.entry(*index).or_default();
                let ids = if matches!(one.basis, Basis::Rule(_)) { &mut of.required } else { &mut of.inferred };
                ids.insert(one.foreign.id.clone());
            }
        }
        for rule in rules.iter().filter(|rule| rule.is_about(scope)) {
            // A migration that no schema has is missing everywhere.
            let Some(id) = rule.exact() else { continue };
            for index in indexes(set, rule.ours()) {
                sources.entry(index).or_default().required.insert(id.to_owned());
            }
        }
        Self { set, known, sources }
    }

    /// How many of the set's first migrations are applied to a schema with this history.
    pub(super) fn position(&self, history: &History) -> Result<usize, Refusal> {
        self.check_counterparts(history)?;
        let covered = self.covered(history);
        let applied = self.applied(history, covered)?;
        let end = applied.last().map_or(covered, |last| covered.max(last + 1));
        let holes: Vec<usize> = (covered..end).filter(|index| !applied.contains(index)).collect();
        match holes.as_slice() {
            [] => Ok(end),
            _ => Err(Refusal::Hole {
                ours: holes.iter().map(|index| self.title(*index)).collect(),
                below: self.title(end - 1),
            }),
        }
    }

    fn check_counterparts(&self, history: &History) -> Result<(), Refusal> {
        let is_unmapped = |foreign: &&Foreign| self.find(&foreign.id).is_none_or(|one| one.ours.is_none());
        let unmapped: Vec<String> = history.applied.iter().filter(is_unmapped).map(|one| one.id.clone()).collect();
        match unmapped.as_slice() {
            [] => Ok(()),
            _ => Err(Refusal::Unmapped { set: self.set.name().clone(), foreign: unmapped }),
        }
    }

    /// The number of the set's first migrations that a migration of the tool stands for, if it stands for all earlier
    /// ones.
    fn covered(&self, history: &History) -> usize {
        let covering = history.applied.iter().filter(|foreign| foreign.covers);
        let ours = covering.filter_map(|foreign| self.find(&foreign.id)?.ours.as_deref());
        ours.flatten().max().map_or(0, |last| last + 1)
    }

    /// The set's migrations from `start` for which everything that corresponds to them is applied.
    fn applied(&self, history: &History, start: usize) -> Result<BTreeSet<usize>, Refusal> {
        let has = self.has(history);
        let mut applied = BTreeSet::new();
        // A migration that all earlier ones come with can still be one of several.
        for (index, sources) in &self.sources {
            self.check_single(history, sources)?;
            let has_one = |ids: &BTreeSet<String>| ids.iter().any(|id| has.contains(id.as_str()));
            let has_some = has_one(&sources.required) || has_one(&sources.inferred);
            let lacks = sources.required.iter().filter(|id| !has.contains(id.as_str())).cloned().collect::<Vec<_>>();
            match (has_some, lacks.is_empty()) {
                (true, true) if *index >= start => _ = applied.insert(*index),
                (true, false) => return Err(Refusal::Partial { ours: self.title(*index), lacks }),
                _ => {}
            }
        }
        Ok(applied)
    }

    /// Refuses a history in which several migrations are one of the set's, unless a rule says so.
    fn check_single(&self, history: &History, sources: &Sources) -> Result<(), Refusal> {
        let is_one = |foreign: &&Foreign| sources.inferred.contains(&foreign.id);
        let several: Vec<String> = history.applied.iter().filter(is_one).map(|one| one.id.clone()).collect();
        if several.len() > 1 {
            return Err(Refusal::Unmapped { set: self.set.name().clone(), foreign: several });
        }
        Ok(())
    }

    /// Everything that is applied, with what that stands for.
    fn has(&self, history: &'a History) -> BTreeSet<&str> {
        let covered = self.known.iter().filter(|one| history.applied.iter().any(|it| it.covers(&one.foreign)));
        let covered = covered.map(|one| one.foreign.id.as_str());
        history.applied.iter().map(|foreign| foreign.id.as_str()).chain(covered).collect()
    }

    fn find(&self, id: &str) -> Option<&Known> {
        self.known.iter().find(|one| one.foreign.id == id)
    }

    fn title(&self, index: usize) -> String {
        self.set.migrations()[index].title().to_owned()
    }

    /// The rows of the report.
    pub(super) fn rows(self) -> Vec<Counterpart> {
        let set = self.set;
        let row = |one: Known| Counterpart {
            foreign: one.foreign.id,
            description: one.foreign.description,
            ours: one.ours.iter().flatten().map(|index| set.migrations()[*index].title().to_owned()).collect(),
            basis: one.basis,
            text: one.comparison,
            schemas: one.schemas,
        };
        self.known.into_iter().map(row).collect()
    }
}

/// Every migration of these histories, once: the longest history first, then what the others have besides.
fn union(histories: &[(&History, usize)]) -> Vec<Known> {
    let mut longest: Vec<_> = histories.iter().collect();
    longest.sort_by_key(|(history, _)| std::cmp::Reverse(history.applied.len()));
    let (mut known, mut places): (Vec<Known>, HashMap<&str, usize>) = (Vec::new(), HashMap::new());
    for (history, schemas) in longest {
        for foreign in &history.applied {
            let place = *places.entry(foreign.id.as_str()).or_insert(known.len());
            if place == known.len() {
                let (basis, comparison) = (Basis::Nothing, Comparison::Unknown);
                known.push(Known { foreign: foreign.clone(), ours: None, basis, comparison, schemas: 0 });
            }
            known[place].schemas += schemas;
        }
    }
    known
}

/// What corresponds to a migration of the tool: what the caller says, else the same version, else the same name.
fn counterparts(set: &MigrationSet, scope: Scope, rules: &[MapRule], foreign: &Foreign) -> (Option<Vec<usize>>, Basis) {
    let matching = rules.iter().filter_map(|rule| Some((rule.matches(scope, &foreign.id)?, rule)));
    if let Some((_, rule)) = matching.max_by_key(|(length, _)| *length) {
        let ours: Vec<usize> = indexes(set, rule.ours()).collect();
        let is_whole = ours.len() == rule.ours().len();
        return (is_whole.then_some(ours), if is_whole { Basis::Rule(rule.to_string()) } else { Basis::Nothing });
    }
    let migrations = || set.migrations().iter().enumerate();
    let is_named = |ours: &Migration| foreign.is_called(&ours.name().to_ascii_lowercase());
    // The files may have been numbered anew, so the same version with another name is another migration.
    let is_same =
        |ours: &Migration| Some(ours.version()) == foreign.number() && (foreign.names.is_empty() || is_named(ours));
    if let Some((index, _)) = migrations().find(|(_, ours)| is_same(ours)) {
        return (Some(vec![index]), Basis::Version);
    }
    let mut named = migrations().filter(|(_, ours)| is_named(ours));
    match (named.next(), named.next()) {
        (Some((index, _)), None) => (Some(vec![index]), Basis::Name),
        _ => (None, Basis::Nothing),
    }
}

/// The places of these versions in the set, of those that it has.
fn indexes(set: &MigrationSet, versions: &[i64]) -> impl Iterator<Item = usize> {
    versions.iter().filter_map(|version| set.migrations().iter().position(|ours| ours.version() == *version))
}

#[cfg(test)]
mod tests {
    use super::super::foreign::{as_name, parts};
    use super::*;
    use crate::report::Error;

    fn set(titles: &[&str]) -> Result<MigrationSet, Error> {
        let mut set = MigrationSet::new("tenant")?;
        for title in titles {
            set = set.with_sql(title, "SELECT 1")?;
        }
        Ok(set)
    }

    fn foreign(id: &str) -> Foreign {
        let version = parts(id);
        let names = if version.is_empty() { vec![as_name(id)] } else { Vec::new() };
        Foreign { id: id.to_owned(), version, names, ..Foreign::default() }
    }

    fn history(ids: &[&str]) -> History {
        History { applied: ids.iter().map(|id| foreign(id)).collect(), left_out: Vec::new() }
    }

    /// A history of a tool that keeps the last version only.
    fn last(id: &str) -> History {
        History { applied: vec![Foreign { covers: true, ..foreign(id) }], left_out: Vec::new() }
    }

    /// Where schemas with these histories stand.
    fn positions(titles: &[&str], rules: &[&str], all: &[History]) -> Result<Vec<Result<usize, Refusal>>, Error> {
        let (set, rules) = (set(titles)?, rules.iter().map(|rule| rule.parse()).collect::<Result<Vec<MapRule>, _>>()?);
        let histories: Vec<_> = all.iter().map(|history| (history, 1)).collect();
        let mapping = Mapping::new(&set, Scope::Tenant, &rules, &histories, &Texts::default());
        Ok(all.iter().map(|history| mapping.position(history)).collect())
    }

    fn lacks(ours: &str, ids: &[&str]) -> Result<usize, Refusal> {
        Err(Refusal::Partial { ours: ours.to_owned(), lacks: ids.iter().map(|&id| id.to_owned()).collect() })
    }

    fn unmapped(ids: &[&str]) -> Result<Result<usize, Refusal>, Error> {
        let foreign = ids.iter().map(|&id| id.to_owned()).collect();
        Ok(Err(Refusal::Unmapped { set: set(&[])?.name().clone(), foreign }))
    }

    #[test]
    fn the_same_version_corresponds_and_the_rest_is_pending() -> Result<(), Error> {
        let found =
            positions(&["V1__a", "V2__b", "V3__c"], &[], &[history(&["1", "2"]), history(&[]), history(&["1"])])?;
        assert_eq!(found, [Ok(2), Ok(0), Ok(1)]);
        Ok(())
    }

    #[test]
    fn a_name_corresponds_if_only_one_migration_has_it() -> Result<(), Error> {
        let shop = [history(&["shop.0001_initial"])];
        assert_eq!(positions(&["V1__Shop_0001_initial", "V2__b"], &[], &shop)?, [Ok(1)]);
        let twice = positions(&["V1__shop_0001_initial", "V2__shop_0001_initial"], &[], &shop)?;
        assert_eq!(twice, [unmapped(&["shop.0001_initial"])?]);
        Ok(())
    }

    #[test]
    fn the_same_version_with_another_name_is_another_migration() -> Result<(), Error> {
        let named = |id: &str, name: &str| Foreign { names: vec![name.to_owned()], ..foreign(id) };
        let flyway = [("1", "init"), ("1.1", "notes"), ("2", "tags")].map(|(id, name)| named(id, name));
        let all = [History { applied: flyway.to_vec(), left_out: Vec::new() }];
        assert_eq!(positions(&["V1__init", "V2__notes", "V3__tags"], &[], &all)?, [Ok(3)], "numbered anew");
        assert_eq!(positions(&["V1__init", "V2__other", "V3__tags"], &[], &all)?, [unmapped(&["1.1"])?]);
        Ok(())
    }

    #[test]
    fn what_has_no_counterpart_is_named_unless_a_rule_says_that_it_has_none() -> Result<(), Error> {
        let all = [history(&["1", "2", "9"])];
        assert_eq!(positions(&["V1__a", "V2__b"], &[], &all)?, [unmapped(&["9"])?]);
        assert_eq!(positions(&["V1__a", "V2__b"], &["9=-"], &all)?, [Ok(2)]);
        assert_eq!(positions(&["V1__a", "V2__b"], &["shared:9=-"], &all)?, [unmapped(&["9"])?], "for the other set");
        assert_eq!(positions(&["V1__a", "V2__b"], &["9=3"], &all)?, [unmapped(&["9"])?], "a version of the other set");
        Ok(())
    }

    #[test]
    fn a_migration_below_the_last_one_needs_a_counterpart() -> Result<(), Error> {
        let found = positions(&["V1__a", "V2__b", "V3__c"], &[], &[history(&["1", "3"])])?;
        assert_eq!(found, [Err(Refusal::Hole { ours: vec!["V2__b".to_owned()], below: "V3__c".to_owned() })]);
        assert_eq!(positions(&["V1__a", "V2__b", "V3__c"], &["3=2,3"], &[history(&["1", "3"])])?, [Ok(3)]);
        Ok(())
    }

    #[test]
    fn of_several_that_make_one_all_have_to_be_applied() -> Result<(), Error> {
        let all = [history(&["10", "11", "12"]), history(&["10", "11"]), history(&[])];
        assert_eq!(positions(&["V1__baseline"], &["*=1"], &all)?, [Ok(1), lacks("V1__baseline", &["12"]), Ok(0)]);
        let found = positions(&["V1__baseline"], &["10=1", "11=1", "12=1"], &all[1..2])?;
        assert_eq!(found, [lacks("V1__baseline", &["12"])], "no schema has 12");
        Ok(())
    }

    #[test]
    fn an_exact_rule_counts_more_than_a_beginning() -> Result<(), Error> {
        let all = [history(&["auth.1", "auth.2", "shop.1"])];
        assert_eq!(positions(&["V1__a", "V2__b"], &["*=-", "auth.*=1", "shop.1=2"], &all)?, [Ok(2)]);
        Ok(())
    }

    #[test]
    fn a_last_version_stands_for_all_below_it() -> Result<(), Error> {
        let ours = ["V1__a", "V2__b", "V3__c"];
        assert_eq!(positions(&ours, &[], &[last("3"), last("2"), history(&[])])?, [Ok(3), Ok(2), Ok(0)]);
        assert_eq!(positions(&ours, &[], &[last("4")])?, [unmapped(&["4"])?]);
        let squashed = positions(&["V1__baseline"], &["*=1"], &[last("7"), last("5")])?;
        assert_eq!(squashed, [Ok(1), lacks("V1__baseline", &["7"])]);
        Ok(())
    }

    #[test]
    fn a_baseline_is_followed_by_versions_of_its_own() -> Result<(), Error> {
        let mut flyway = history(&["3", "4"]);
        flyway.applied[0].covers = true;
        assert_eq!(positions(&["V1__a", "V3__c", "V4__d", "V5__e"], &[], &[flyway])?, [Ok(3)]);
        Ok(())
    }
}
