//! The commands, one file each.

mod advise;
mod aggregate;
mod backup;
mod changes;
mod checkpoint;
mod completions;
mod config;
mod count;
#[cfg(not(feature = "data"))]
mod data;
mod delete;
mod diff;
mod erase;
mod export;
mod get;
mod health;
mod history;
mod import;
mod init;
mod live;
mod man;
pub(crate) mod migrate;
mod migrate_clean_up;
mod migrate_status;
mod past;
mod purge;
mod put;
mod query;
mod resolve;
mod restore;
mod restore_version;
mod schema;
mod sweep;
mod tag;
mod upgrade;
mod verify;
mod versions;

use clap::Subcommand;
use cli_output::exit_code::Ending;
use cli_output::failure::Outcome;

use super::context::Context;

/// What `repoctl` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Copy all collections from one store to another, backed up and verified
    Migrate(migrate::Arguments),
    /// Compare two stores and name every difference
    Verify(verify::Arguments),
    /// Write everything that the store holds into an archive
    Backup(backup::Arguments),
    /// Look at archives, check them, remove old ones
    #[command(subcommand)]
    Backups(cli_archives::backups::Command),
    /// Bring an archive back into a store that is empty
    Restore(restore::Arguments),
    /// Make what the declared collections need in the store
    Init(init::Arguments),
    /// Check whether the store can be reached and is sound
    Health(health::Arguments),
    /// List the storage strategies of this build, or every feature with what shows it
    Strategies(cli_records::strategies::Arguments),
    /// Look at the collections and check what is stored against them
    #[command(subcommand)]
    Schema(schema::Command),
    /// Look at the configuration and check it
    #[command(subcommand)]
    Config(config::Command),
    /// Print one entity
    Get(get::Arguments),
    /// Store one document
    Put(put::Arguments),
    /// Delete one entity
    Delete(delete::Arguments),
    /// Find entities
    Query(query::Arguments),
    /// Count entities
    Count(count::Arguments),
    /// Group entities, and compute counts, sums, means and extremes of each group
    Aggregate(aggregate::Arguments),
    /// Propose indexes for the queries that were recorded, or stores for requirements
    Advise(advise::Arguments),
    /// Write a collection as NDJSON, one record a line
    Export(export::Arguments),
    /// Read NDJSON into a collection, batch by batch
    Import(import::Arguments),
    /// Follow what is written, by consumers that lose nothing
    #[command(subcommand)]
    Changes(changes::Command),
    /// Keep what the records of a collection were before
    #[command(subcommand)]
    History(history::Command),
    /// Print the versions of an entity
    Versions(versions::Arguments),
    /// Print how two versions of an entity differ
    Diff(diff::Arguments),
    /// Store an older version of an entity again
    RestoreVersion(restore_version::Arguments),
    /// Move a store while programs write to it, and move back
    #[command(subcommand)]
    Live(live::Command),
    /// Name versions, and keep them
    #[command(subcommand)]
    Tag(tag::Command),
    /// Remove everything that the store holds of a record, and keep it from coming back
    Erase(erase::Arguments),
    /// Files, lists and usage of a data service
    #[cfg(feature = "data")]
    #[command(subcommand)]
    Data(cli_data::Command),
    /// Files, lists and usage of a data service, which this build does not have
    #[cfg(not(feature = "data"))]
    Data(data::Absent),
    /// Delete entities whose time to live has passed
    Sweep(sweep::Arguments),
    /// Remove old tombstones
    Purge(purge::Arguments),
    /// Bring the documents of a collection to another schema version
    Upgrade(upgrade::Arguments),
    /// Bring the store's files into their resting form
    Checkpoint,
    /// Decide between a JSON store's files and its journal
    Resolve(resolve::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Print the manual page of a command
    Man(man::Arguments),
}

impl Command {
    /// Runs the command.
    pub(crate) async fn run(&self, context: &Context) -> Outcome<Ending> {
        match self {
            Self::Migrate(arguments) => arguments.run(context).await,
            Self::Verify(arguments) => arguments.run(context).await,
            Self::Backup(arguments) => arguments.run(context).await,
            Self::Backups(command) => {
                command.run(context.output, &|named| context.archives(named)).await
            }
            Self::Restore(arguments) => arguments.run(context).await,
            Self::Init(arguments) => arguments.run(context).await,
            Self::Health(arguments) => arguments.run(context).await,
            Self::Strategies(arguments) => arguments.run(context.output, &context.registry),
            Self::Schema(command) => command.run(context).await,
            Self::Config(command) => command.run(context),
            Self::Get(arguments) => arguments.run(context).await,
            Self::Put(arguments) => arguments.run(context).await,
            Self::Delete(arguments) => arguments.run(context).await,
            Self::Query(arguments) => arguments.run(context).await,
            Self::Count(arguments) => arguments.run(context).await,
            Self::Aggregate(arguments) => arguments.run(context).await,
            Self::Advise(arguments) => arguments.run(context).await,
            Self::Export(arguments) => arguments.run(context).await,
            Self::Import(arguments) => arguments.run(context).await,
            Self::Changes(command) => command.run(context).await,
            Self::History(command) => command.run(context).await,
            Self::Live(command) => command.run(context).await,
            Self::Versions(arguments) => arguments.run(context).await,
            Self::Diff(arguments) => arguments.run(context).await,
            Self::RestoreVersion(arguments) => arguments.run(context).await,
            Self::Erase(arguments) => arguments.run(context).await,
            Self::Tag(command) => command.run(context).await,
            #[cfg(feature = "data")]
            Self::Data(command) => command.run(context.output).await,
            #[cfg(not(feature = "data"))]
            Self::Data(words) => words.run(),
            Self::Sweep(arguments) => arguments.run(context).await,
            Self::Purge(arguments) => arguments.run(context).await,
            Self::Upgrade(arguments) => arguments.run(context).await,
            Self::Checkpoint => checkpoint::run(context).await,
            Self::Resolve(arguments) => arguments.run(context).await,
            Self::Completions(arguments) => arguments.run(context),
            Self::Man(arguments) => arguments.run(context),
        }
    }
}
