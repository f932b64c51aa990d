//! Schemas that come with the engine for what other programs wrote: which collections
//! there are, and where their entities stand in the files, tables or items of that
//! program.
//!
//! ```
//! let preset = repo_engine::presets::named("hostfactory-aws-db")?;
//! let schemas = preset.schemas()?;
//! let names: Vec<&str> = schemas.iter().map(|schema| schema.collection.as_str()).collect();
//! assert_eq!(names, ["machines", "requests"]);
//! # Ok::<(), repo_engine::Error>(())
//! ```

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use repo_core::strategy::{did_you_mean, suggestion_before};
use repo_core::{CollectionSchema, Error, ErrorKind, Result, Schemas};

use crate::host_factory;

/// The schemas of what one program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// Which programs.
    pub program: &'static str,
    /// Which of their files, tables or items are read.
    pub reads: &'static str,
    /// How the source is named.
    pub source: &'static str,
    /// The schema files: the name of each, and its text.
    files: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($folder:literal: $($name:literal),+) => {
        &[$((
            concat!($name, ".schema.json"),
            include_str!(concat!("../../../schemas/", $folder, "/", $name, ".schema.json")),
        )),+]
    };
}

/// All presets, by name.
pub const ALL: [Preset; 5] = [
    Preset {
        name: "hostfactory-aws-db",
        program: "resource connectors of LSF and Symphony (AWS, Azure, Google, IBM Cloud)",
        reads: "*-db.json: requests with the machines in them",
        source: "files:DIR",
        files: files!("presets/hostfactory-aws-db": "machines", "requests"),
    },
    Preset {
        name: "hostfactory-cyclecloud",
        program: "the CycleCloud provider of Symphony",
        reads: "create_requests.json, terminate_requests.json, azurecc_requests.json",
        source: "files:DIR",
        files: files!("presets/hostfactory-cyclecloud": "machines", "request_sets", "requests"),
    },
    Preset {
        name: "hostfactory-google",
        program: "the Google provider of Symphony",
        reads: "the table machines of its SQLite file",
        source: "sqlite:FILE",
        files: files!("presets/hostfactory-google": "machines"),
    },
    Preset {
        name: "hostfactory-templates",
        program: "every host provider",
        reads: "*_templates.json: a list of templates",
        source: "files:DIR",
        files: files!("presets/hostfactory-templates": "templates"),
    },
    Preset {
        name: "open-resource-broker",
        program: "the Open Resource Broker; these are the built-in collections",
        reads: "its JSON files, its tables, its DynamoDB items",
        source: "json:DIR, sqlite:database.db, postgresql://… or dynamodb:PREFIX",
        files: &host_factory::FILES,
    },
];

/// The preset of a name.
///
/// # Errors
/// `ConfigInvalid` for an unknown one, with the known ones in the hint.
pub fn named(name: &str) -> Result<&'static Preset> {
    ALL.iter().find(|preset| preset.name == name).ok_or_else(|| {
        let known: Vec<&str> = ALL.iter().map(|preset| preset.name).collect();
        let meant = did_you_mean(name, known.iter().copied());
        let hint = format!("presets: {}", known.join(", "));
        Error::new(ErrorKind::ConfigInvalid, "choose a preset", "there is no such preset")
            .with("preset", name)
            .hint(suggestion_before(meant, &hint))
    })
}

impl Preset {
    /// Its collections.
    ///
    /// # Errors
    /// None: a test reads all of them.
    pub fn schemas(&self) -> Result<Schemas> {
        self.files.iter().map(|(_, text)| CollectionSchema::parse(text)).collect()
    }

    /// Writes its schema files into a folder, which is made if it is missing, so that they
    /// can be changed. Returns their paths.
    ///
    /// # Errors
    /// `AlreadyExists` for a file that is there, which stays; what the file system says.
    pub fn write_to(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        const OPERATION: &str = "write the schemas of a preset";
        let failed = |path: &Path, source: std::io::Error| {
            let kind = match source.kind() {
                std::io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
                std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
                _ => ErrorKind::Unavailable,
            };
            Error::new(kind, OPERATION, "a schema file cannot be written")
                .with("path", path.display())
                .with("reason", &source)
                .caused_by(source)
                .hint("name a new folder; nothing is written over")
        };
        std::fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        let mut written = Vec::with_capacity(self.files.len());
        for (name, text) in self.files {
            let path = folder.join(name);
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|source| failed(&path, source))?;
            written.push(path);
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_stands_in_order() {
        for pair in ALL.windows(2) {
            assert!(pair[0].name < pair[1].name);
        }
        for preset in &ALL {
            let schemas = preset.schemas().unwrap();
            let files = schemas.iter().filter(|schema| !schema.sources.is_empty()).count();
            assert_eq!(files > 0, preset.source == "files:DIR", "{}", preset.name);
            #[cfg(feature = "validation")]
            repo_layers::check_schemas(&schemas).unwrap();
            for (name, _) in preset.files {
                assert!(name.ends_with(Schemas::FILE_SUFFIX), "{name}");
            }
        }
    }

    #[test]
    fn a_preset_is_found_by_its_name_alone() {
        assert_eq!(named("hostfactory-google").unwrap().name, "hostfactory-google");
        let error = named("hostfactory-googel").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
        assert!(error.hint_text().unwrap().contains("`hostfactory-google`"), "{error:?}");
    }

    #[test]
    fn the_files_of_a_preset_are_written_once_and_read_as_it() {
        let folder = tempfile::tempdir().unwrap();
        let into = folder.path().join("schemas");
        for preset in &ALL {
            let into = into.join(preset.name);
            let written = preset.write_to(&into).unwrap();
            assert_eq!(written.len(), preset.files.len());
            assert_eq!(Schemas::load_dir(&into).unwrap(), preset.schemas().unwrap());
            let error = preset.write_to(&into).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        }
    }
}
