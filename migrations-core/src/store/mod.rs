//! Every statement on the registry and on history tables, and the locks that protect them.
//!
//! The registry is an index: a schema's history table says what is applied to it. The statements are in `sql/`; one
//! function here uses each. A function whose text becomes a part of a tenant's transaction returns the text; the others
//! send it themselves.
//!
//! | file | what it is |
//! | --- | --- |
//! | `layout` | the schemas of the registry and of the shared tables, and the values of SQL templates |
//! | `owner` | the owner of a schema, and its row in the registry |
//! | `lock` | advisory locks, and the guard that takes them or raises |
//! | `history` | refinery's history table |
//! | `rewriting` | what makes a history say something else, and what keeps two calls from doing that at once |
//! | `registry` | the registry's own migrations, and its missing tables |
//! | `claim` | what the registry says of a schema, and the row that it says it in |
//! | `mark`, `marks` | how far a migration that runs outside a transaction got |
//! | `batch` | several tenants in one transaction |
//! | `records` | what the registry and the histories of many schemas say, in a few queries |
//! | `tenants` | the rows of tenants |
//! | `domains` | host names |
//! | `extensions` | extensions, created once for all tenants |
//! | `divergence` | whether the tenants have the migrations of this binary |
//! | `overview` | where every schema stands, in one query |
//! | `leases` | rows that expire: what a process is about to do |
//! | `unfinished` | a new tenant that needs more than one transaction |
//! | `spares` | spare schemas of the warm pool |
//! | `runs` | one row for every run that did something |

mod batch;
mod claim;
mod divergence;
mod domains;
mod extensions;
mod history;
mod layout;
mod leases;
mod lock;
mod mark;
mod marks;
mod overview;
mod owner;
mod records;
mod registry;
mod rewriting;
mod runs;
mod spares;
mod tenants;
mod unfinished;

pub(crate) use batch::{guard_tenants, record_tenants, unless_too_long};
pub(crate) use claim::{Claim, record, record_claim, registry_claim, schema_claim, stale, tenant_claim};
pub(crate) use domains::{add_domain, find_by_domain};
pub(crate) use extensions::create_extension;
pub(crate) use history::{
    HISTORY, HistoryRow, create_history, history_exists, insert_history, is_about_the_table, is_unrecorded,
    read_history,
};
pub(crate) use layout::{BEGINNING, Layout, check_name};
pub(crate) use leases::{Announcement, Lease};
pub(crate) use lock::{Lock, codes, guard, guard_with, is_refusal, named_key};
pub(crate) use mark::{Mark, Marked, Reached, Unknown};
pub(crate) use marks::{claim_unit, forget_mark, half_done, read_mark, replace_mark};
pub(crate) use overview::{Overview, PAGE, Question, TenantClaim, overview};
pub(crate) use owner::Owner;
pub(crate) use records::{Listed, Record, listed_tenants, read_records, unregistered_schemas};
pub(crate) use registry::{NAME_KEY, check, registry_set};
pub(crate) use rewriting::{rewrite_history, unless_history};
pub(crate) use runs::record_run;
pub(crate) use spares::{count_spares, drop_spare, pinned_functions, spares, take_spare, taken};
pub(crate) use tenants::{
    Found, adopt, all_tenants, draw_ids, find_tenant, forget_errors, forget_tenant, invalidate_digests,
    is_applied_elsewhere, owner_of, record_failure, register, tenant_exists, unless_adopted, unregistered,
};
pub(crate) use unfinished::{discard_unfinished, finish, guard_name, renew_unfinished, unfinished};
