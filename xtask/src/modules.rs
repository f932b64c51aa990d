//! The modules of a crate with what they define and what they name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::{Attribute, Item, Meta};

use crate::imports::{self, Import};

/// A module by its path from the crate's root, which is the empty one.
pub(crate) type ModulePath = Vec<String>;

/// One module, without its tests.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// The names that it defines itself.
    pub(crate) items: BTreeSet<String>,
    /// Its `use` declarations.
    pub(crate) imports: Vec<Import>,
    /// The paths that its code names besides.
    pub(crate) paths: Vec<Vec<String>>,
}

/// Reads the crate in `folder`: its `src/lib.rs`, or `src/main.rs` if it has none.
pub(crate) fn read(folder: &Path) -> Result<BTreeMap<ModulePath, Module>, String> {
    let root = folder.join("src");
    let mut modules = BTreeMap::new();
    let library = root.join("lib.rs");
    let file = parse(&if library.exists() { library } else { root.join("main.rs") })?;
    Reader { modules: &mut modules }.module(Vec::new(), &root, file.items)?;
    Ok(modules)
}

fn parse(path: &Path) -> Result<syn::File, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    syn::parse_file(&text).map_err(|error| named(&error))
}

struct Reader<'a> {
    modules: &'a mut BTreeMap<ModulePath, Module>,
}

impl Reader<'_> {
    /// Takes in a module; those within it lie in `folder`.
    fn module(&mut self, path: ModulePath, folder: &Path, items: Vec<Item>) -> Result<(), String> {
        let mut module = Module::default();
        for item in items {
            if is_test(attributes(&item)) {
                continue;
            }
            match item {
                Item::Mod(child) => self.child(&path, folder, child)?,
                Item::Use(declared) => imports::declared(&declared, &mut module.imports),
                item => {
                    module.items.extend(name(&item));
                    imports::named(&item, &mut module.paths);
                }
            }
        }
        self.modules.insert(path, module);
        Ok(())
    }

    fn child(
        &mut self,
        parent: &[String],
        folder: &Path,
        child: syn::ItemMod,
    ) -> Result<(), String> {
        let name = child.ident.to_string();
        let mut path = parent.to_vec();
        path.push(name.clone());
        let within = folder.join(&name);
        match child.content {
            Some((_, items)) => self.module(path, &within, items),
            None => {
                let file = file_of(folder, &name)?;
                self.module(path, &within, parse(&file)?.items)
            }
        }
    }
}

fn file_of(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let candidates = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
    let found = candidates.into_iter().find(|file| file.is_file());
    found.ok_or_else(|| format!("{}: no file for the module {name}", folder.display()))
}

/// Whether something is there in tests only.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            list.tokens.to_string().split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
        }
        _ => false,
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

fn name(item: &Item) -> Option<String> {
    Some(match item {
        Item::Const(item) => item.ident.to_string(),
        Item::Enum(item) => item.ident.to_string(),
        Item::Fn(item) => item.sig.ident.to_string(),
        Item::Macro(item) => item.ident.as_ref()?.to_string(),
        Item::Static(item) => item.ident.to_string(),
        Item::Struct(item) => item.ident.to_string(),
        Item::Trait(item) => item.ident.to_string(),
        Item::Type(item) => item.ident.to_string(),
        Item::Union(item) => item.ident.to_string(),
        _ => return None,
    })
}
