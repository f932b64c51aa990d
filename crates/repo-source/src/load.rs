//! Going through the files once: every entity is checked, and its place is noted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use plain_json::{JsonReader, SetAside, TheirLock, errors};
use repo_core::strategy::OpenOptions;
use repo_core::{CollectionName, Error, ErrorKind, Result};

use crate::duplicates::superseded;
use crate::entry::{EntryPlace, Part, take_apart};
use crate::folder::{Named, files};
use crate::index::{Index, Place};
use crate::loaded::Loaded;
use crate::open_file::OpenFile;
use crate::plan::{FileRoute, Route};
use crate::walk::{Found, Walk};

const OPERATION: &str = "open files of another program";

/// Reads all files that the routes lead to. Blocks while it reads.
///
/// # Errors
/// `NotFound` when there are none; `Corrupt` and `Invalid` for the first entity that
/// cannot be read, unless such are set aside; `Unavailable` when a file is rewritten
/// meanwhile; `Locked` when its program does not give it back.
pub(crate) fn load(folder: &Path, routes: Vec<FileRoute>, options: &OpenOptions) -> Result<Loaded> {
    let named = look(folder, &routes)?;
    let _theirs = their_locks(&named, &routes)?;
    let mut loading = Loading::new(routes, options);
    for (route, named) in named {
        loading.file(route, named)?;
    }
    loading.finish()
}

/// The files of each route, by its number.
fn look(folder: &Path, routes: &[FileRoute]) -> Result<Vec<(u16, Named)>> {
    let mut named = Vec::new();
    for (number, route) in routes.iter().enumerate() {
        let number = u16::try_from(number).map_err(|_| too_many("sources"))?;
        let found = files(folder, &route.file)?;
        if found.is_empty() && !route.optional {
            return Err(missing(folder, &[route]));
        }
        named.extend(found.into_iter().map(|file| (number, file)));
    }
    match named.is_empty() {
        true => Err(missing(folder, &routes.iter().collect::<Vec<_>>())),
        false => Ok(named),
    }
}

fn missing(folder: &Path, routes: &[&FileRoute]) -> Error {
    let mut files: Vec<String> = routes.iter().map(|route| route.file.to_string()).collect();
    files.dedup();
    let what = match folder.is_dir() {
        true => "the folder holds no such file",
        false => "there is no such folder",
    };
    Error::new(ErrorKind::NotFound, OPERATION, what)
        .with("folder", folder.display())
        .with("looked_for", files.join(", "))
        .hint("name the folder in which the other program keeps them: files:DIR")
}

/// The locks that the program takes which writes the files.
fn their_locks(
    named: &[(u16, Named)],
    routes: &[FileRoute],
) -> Result<BTreeMap<PathBuf, Option<TheirLock>>> {
    let mut held = BTreeMap::new();
    for (number, file) in named {
        let lock = routes.get(usize::from(*number)).and_then(|route| route.lock.as_deref());
        let Some((lock, name)) = lock.zip(file.path.file_name()) else { continue };
        let path = file.path.with_file_name(lock.replace("{file}", &name.to_string_lossy()));
        if let Entry::Vacant(vacant) = held.entry(path) {
            let lock = TheirLock::shared(vacant.key())?;
            vacant.insert(lock);
        }
    }
    Ok(held)
}

fn too_many(what: &str) -> Error {
    let why = format!("there are more than 65,536 {what}");
    Error::new(ErrorKind::LimitExceeded, OPERATION, why).hint("read them in several runs")
}

struct Loading<'o> {
    options: &'o OpenOptions,
    loaded: Loaded,
    numbers: BTreeMap<PathBuf, u16>,
}

/// One pass over a file.
struct Pass<'l> {
    loading: &'l mut Collections,
    root: &'l Route,
    routes: Vec<&'l Route>,
    file: &'l OpenFile,
    file_number: u16,
    route_number: u16,
    continues: bool,
    most_bytes: usize,
}

type Collections = BTreeMap<CollectionName, Index>;

impl<'o> Loading<'o> {
    fn new(routes: Vec<FileRoute>, options: &'o OpenOptions) -> Self {
        let loaded = Loaded {
            routes,
            files: Vec::new(),
            collections: BTreeMap::new(),
            origins: BTreeMap::new(),
            max_entity_bytes: options.max_entity_bytes,
        };
        Self { options, loaded, numbers: BTreeMap::new() }
    }

    fn file(&mut self, route_number: u16, named: Named) -> Result<()> {
        let file_number = self.number(named)?;
        let Loaded { routes, files, collections, origins, max_entity_bytes } = &mut self.loaded;
        let file = files.get(usize::from(file_number));
        let route = routes.get(usize::from(route_number));
        let Some((file, route)) = file.zip(route) else { return Ok(()) };
        let routes = route.root.all();
        for wanted in routes.iter().filter(|route| route.selected) {
            let name = &wanted.schema.collection;
            collections.entry(name.clone()).or_default();
            origins.entry(name.clone()).or_default().insert(file_number);
        }
        let mut pass = Pass {
            loading: collections,
            root: &route.root,
            routes,
            file,
            file_number,
            route_number,
            continues: self.options.on_unreadable().continues(),
            most_bytes: *max_entity_bytes,
        };
        let mut from = &file.file;
        from.seek(SeekFrom::Start(0))
            .map_err(|error| errors::io("read a data file", &file.path, error))?;
        let reader = JsonReader::new(from, &file.path, Loaded::longest(*max_entity_bytes));
        let mut each = |found: Found<'_>| pass.entry(found);
        let walk = Walk { reader, path: &file.path, optional: route.optional, each: &mut each };
        let walked = walk.run(route.root.pointer.steps());
        // Half of a file may well be malformed.
        file.check_unchanged()?;
        walked
    }

    /// The number of an open file; it is opened once.
    fn number(&mut self, named: Named) -> Result<u16> {
        if let Some(number) = self.numbers.get(&named.path) {
            return Ok(*number);
        }
        let number = u16::try_from(self.loaded.files.len()).map_err(|_| too_many("files"))?;
        self.numbers.insert(named.path.clone(), number);
        self.loaded.files.push(OpenFile::open(named)?);
        Ok(number)
    }

    fn finish(self) -> Result<Loaded> {
        let mut loaded = self.loaded;
        let names: Vec<CollectionName> = loaded.collections.keys().cloned().collect();
        for name in names {
            // Out of the others, so that what it holds can be read by its places.
            let Some(mut index) = loaded.collections.remove(&name) else { continue };
            let twice = index.sort();
            if !twice.is_empty() {
                index.gone = superseded(&loaded, &name, &index, twice)?;
                index.settle();
            }
            loaded.collections.insert(name, index);
        }
        Ok(loaded)
    }
}

impl Pass<'_> {
    fn entry(&mut self, found: Found<'_>) -> Result<()> {
        let parts = take_apart(self.root, found.key, found.raw, self.most_bytes);
        for (number, part) in (0_u32..).zip(parts) {
            self.part(&found, number, part)?;
        }
        Ok(())
    }

    fn part(&mut self, found: &Found<'_>, number: u32, part: Part<'_>) -> Result<()> {
        let at = self.routes.iter().position(|route| std::ptr::eq(*route, part.route));
        let route = part.route;
        let Some(index) = self.loading.get_mut(&route.schema.collection) else { return Ok(()) };
        let made = match part.made {
            Ok(made) => made,
            Err(broken) => {
                let at = EntryPlace {
                    path: &self.file.path,
                    byte: found.offset,
                    pointer: found.pointer,
                };
                let name = broken.name.clone();
                let error = broken.error(route, at, self.continues);
                if !self.continues {
                    return Err(error);
                }
                let name = name.unwrap_or_else(|| format!("{}{}", found.pointer, part.pointer));
                return index.set_aside.push(SetAside::new(name, found.raw, error));
            }
        };
        let len = found.offset.saturating_sub(found.start).saturating_add(found.raw.len() as u64);
        let place = Place {
            offset: found.start,
            len: u32::try_from(len).unwrap_or(u32::MAX),
            part: number,
            file: self.file_number,
            route: self.route_number,
            within: at.and_then(|at| u16::try_from(at).ok()).unwrap_or(0),
            keyed: found.key.is_some(),
        };
        if len > u64::from(u32::MAX) || !index.push(made.id.as_str(), place) {
            let why = "there are more entities, or a longer one, than can be read";
            return Err(Error::new(ErrorKind::LimitExceeded, OPERATION, why)
                .with("file", self.file.path.display())
                .with("collection", &route.schema.collection));
        }
        Ok(())
    }
}
