//! Manifests: what the files of a directory are.

use std::collections::BTreeMap;

use repo_core::{Error, ErrorKind, Result, Value};

use super::path::{EntryPath, checked_name};
use super::yaml;

/// Longest text of a manifest, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 4 * 1024 * 1024;
/// Most entries of a manifest.
const MAX_ENTRIES: usize = 100_000;

/// A manifest: a tree of descriptions, by names.
///
/// An entry is a text, which describes it, or an object with any of `description`,
/// `metadata` (an object) and `entries` (what is in the directory). Other members of an
/// object are entries too, so that `{"src": {"main.py": "Starts here"}}` is one. A name that
/// ends with `/` is that of a directory. At the top is the name of the uploaded directory, or
/// what is in it.
///
/// ```
/// use repo_data::directory::Manifest;
///
/// let manifest = Manifest::from_yaml("proj:\n  src/:\n    main.py: Starts here\n")?;
/// let top = manifest.of_directory("proj");
/// assert_eq!(top.entries["src"].entries["main.py"].description.as_deref(), Some("Starts here"));
/// # Ok::<(), repo_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifest(ManifestNode);

/// What a manifest says of a file or a directory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ManifestNode {
    /// What it is.
    pub description: Option<String>,
    /// More about it.
    pub metadata: Option<BTreeMap<String, Value>>,
    /// What is in it, by name.
    pub entries: BTreeMap<String, ManifestNode>,
    /// Whether the manifest says that this is a directory.
    pub is_directory: bool,
}

impl Manifest {
    /// Reads a manifest by the suffix of its file: `.json`, `.yaml` or `.yml`.
    ///
    /// # Errors
    /// `Invalid` for another suffix, for bytes that are not UTF-8, and for what is no
    /// manifest.
    pub fn from_file(name: &str, bytes: &[u8]) -> Result<Self> {
        let suffix = name.rsplit_once('.').map(|(_, suffix)| suffix.to_ascii_lowercase());
        let text = || std::str::from_utf8(bytes).map_err(|_| refuse("the text is not UTF-8", ""));
        match suffix.as_deref() {
            Some("json") => Self::from_json(text()?),
            Some("yaml" | "yml") => Self::from_yaml(text()?),
            _ => Err(refuse("a manifest is a file with the suffix .json, .yaml or .yml", "")),
        }
    }

    /// Reads JSON. Numbers in the metadata stay exact.
    ///
    /// # Errors
    /// `Invalid`, with the place, for what is no manifest; also for the same name twice, for
    /// more than 31 levels, and for more than [`MAX_MANIFEST_BYTES`].
    pub fn from_json(text: &str) -> Result<Self> {
        check_length(text)?;
        let value = Value::parse(text).map_err(|error| {
            refuse(&error.rule.to_string(), &error.pointer).with("byte", error.offset)
        })?;
        Self::from_value(&value)
    }

    /// Reads YAML. Anchors are bounded, tags and several documents are refused.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn from_yaml(text: &str) -> Result<Self> {
        check_length(text)?;
        Self::from_value(&yaml::parse(text)?)
    }

    fn from_value(value: &Value) -> Result<Self> {
        let mut count = 0;
        match value {
            Value::Null => Ok(Self::default()),
            Value::Object(members) => {
                let mut top = ManifestNode { is_directory: true, ..ManifestNode::default() };
                add_entries(&mut top, members, "", &mut count)?;
                Ok(Self(top))
            }
            _ => Err(refuse("a manifest is an object of entries", "")),
        }
    }

    /// What is said of a directory that is uploaded under this name: the entry at the top
    /// with that name, or else the whole manifest.
    #[must_use]
    pub fn of_directory(&self, name: &str) -> &ManifestNode {
        self.0.entries.get(name).unwrap_or(&self.0)
    }

    /// The names at the top that [`of_directory`](Self::of_directory) leaves out.
    pub fn beside_directory(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.0.entries.contains_key(name);
        self.0.entries.keys().map(String::as_str).filter(move |other| named && *other != name)
    }
}

fn check_length(text: &str) -> Result<()> {
    if text.len() <= MAX_MANIFEST_BYTES {
        return Ok(());
    }
    Err(refuse("the manifest is too large", "").with("limit", MAX_MANIFEST_BYTES))
}

fn refuse(why: &str, at: &str) -> Error {
    Error::new(ErrorKind::Invalid, "read a manifest", why).with("at", at)
}

fn add_entries(
    directory: &mut ManifestNode,
    members: &BTreeMap<String, Value>,
    at: &str,
    count: &mut usize,
) -> Result<()> {
    for (key, value) in members {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        let name = key.strip_suffix('/').unwrap_or(key);
        let name = checked_name(name).map_err(|error| refuse(error.message(), &at))?;
        *count += 1;
        if *count > MAX_ENTRIES {
            return Err(refuse("the manifest has too many entries", &at).with("limit", MAX_ENTRIES));
        }
        let mut node = node(value, &at, count)?;
        node.is_directory |= key.ends_with('/');
        if directory.entries.insert(name.to_owned(), node).is_some() {
            return Err(refuse("an entry stands here twice", &at).with("name", name));
        }
    }
    Ok(())
}

fn node(value: &Value, at: &str, count: &mut usize) -> Result<ManifestNode> {
    let mut node = ManifestNode::default();
    match value {
        Value::Null => {}
        Value::String(_) | Value::Number(_) | Value::Bool(_) => {
            node.description = description(value, at)?;
        }
        Value::Array(_) => return Err(refuse("an entry is a text or an object", at)),
        Value::Object(members) => {
            let mut others = members.clone();
            let description_at = format!("{at}/description");
            if let Some(value) = others.remove("description") {
                node.description = description(&value, &description_at)?;
            }
            node.metadata = metadata(others.remove("metadata"), at)?;
            let entries = others.remove("entries");
            // An object that says nothing about itself is a directory that lists its files.
            node.is_directory = entries.is_some() || !others.is_empty();
            match entries {
                None | Some(Value::Null) => {}
                Some(Value::Object(entries)) => {
                    add_entries(&mut node, &entries, &format!("{at}/entries"), count)?;
                }
                Some(_) => {
                    return Err(refuse("`entries` is an object", &format!("{at}/entries")));
                }
            }
            add_entries(&mut node, &others, at, count)?;
        }
    }
    Ok(node)
}

/// YAML makes a number of `main.py: 1`, so numbers are text here.
fn description(value: &Value, at: &str) -> Result<Option<String>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok(Some(value.to_string())),
        _ => Err(refuse("a description is a text", at)
            .hint("a file called `description` is named within `entries`")),
    }
}

fn metadata(value: Option<Value>, at: &str) -> Result<Option<BTreeMap<String, Value>>> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members)),
        Some(_) => Err(refuse("`metadata` is an object", &format!("{at}/metadata"))
            .hint("a file called `metadata` is named within `entries`")),
    }
}

impl ManifestNode {
    /// Every entry below this one with its path, in the order of the paths' names.
    ///
    /// # Errors
    /// `Invalid` for a path that is too long.
    pub fn walk(&self) -> Result<Vec<(EntryPath, &ManifestNode)>> {
        let mut found = Vec::new();
        let mut open: Vec<(Option<EntryPath>, &str, &ManifestNode)> =
            self.entries.iter().rev().map(|(name, node)| (None, name.as_str(), node)).collect();
        while let Some((parent, name, node)) = open.pop() {
            let path = match parent {
                Some(parent) => parent.child(name)?,
                None => name.parse::<EntryPath>()?,
            };
            let inner = node.entries.iter().rev();
            open.extend(inner.map(|(name, node)| (Some(path.clone()), name.as_str(), node)));
            found.push((path, node));
        }
        Ok(found)
    }
}
