//! A server for development: the same address at every start, and shared by the processes of a project.
//!
//! | file | what it is |
//! | --- | --- |
//! | `project` | the project that the current directory belongs to, and the folder of its server |
//! | `owner` | the process that runs a folder's server, as other processes see it |
//! | `access` | the address, the role, the password and the database, chosen once and kept in a file |
//! | `roles` | the application's role and database: created in a new cluster, found in an old one |
//! | `server` | a server that this process runs, or that it has joined |
//! | `folder` | joins the server of a folder, or starts it |
//! | `upgrade` | brings a folder's data to another major version of PostgreSQL |

mod access;
mod folder;
mod owner;
mod project;
mod roles;
mod server;
mod upgrade;

pub use folder::DevFolder;
pub use owner::Owner;
pub use project::Project;
pub use server::DevServer;
pub use upgrade::Upgrade;

/// The names of these modules' files in a server's folder, also while they are written.
pub(crate) const FILES: [&str; 7] =
    [access::FILE, "connection.new", owner::FILE, "owner.new", project::FILE, "project.new", access::SOCKET];
