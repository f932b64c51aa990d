//! Which module uses which, through every re-export.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{Module, ModulePath};

/// How many re-exports are followed; more is a circle of them.
const MAX_STEPS: usize = 16;

/// The modules of a crate, and from each the modules that it uses, with one of
/// the names that it uses there.
pub(crate) type Graph = BTreeMap<ModulePath, BTreeMap<ModulePath, String>>;

/// Which module uses which. That a parent re-exports its child is no use.
pub(crate) fn of(modules: &BTreeMap<ModulePath, Module>) -> Graph {
    let resolver = Resolver { modules };
    let mut graph = Graph::new();
    for (path, module) in modules {
        let mut used = BTreeMap::new();
        let mut note = |names: &[String]| {
            // `crate` alone names nothing, as in `Token![crate]`.
            if names == ["crate"] {
                return;
            }
            if let Some(target) = resolver.resolve(path, names, MAX_STEPS) {
                used.entry(target).or_insert_with(|| names.join("::"));
            }
        };
        let called: BTreeSet<&str> =
            module.paths.iter().filter_map(|p| p.first()).map(String::as_str).collect();
        for import in &module.imports {
            // A re-export that the module does not use itself.
            if import.reexport && !called.contains(import.name.as_str()) {
                continue;
            }
            note(&import.path);
        }
        module.paths.iter().for_each(|names| note(names));
        used.remove(path);
        graph.insert(path.clone(), used);
    }
    graph
}

struct Resolver<'a> {
    modules: &'a BTreeMap<ModulePath, Module>,
}

impl Resolver<'_> {
    /// The module that defines what `names` means in the module `at`; `None`
    /// for what is of another crate or unknown.
    fn resolve(&self, at: &[String], names: &[String], steps: usize) -> Option<ModulePath> {
        let (first, mut rest) = names.split_first()?;
        let mut here = at.to_vec();
        match first.as_str() {
            "crate" => here.clear(),
            "self" => {}
            "super" => {
                here.pop()?;
                while let Some(("super", after)) = rest.split_first().map(|(f, r)| (f.as_str(), r))
                {
                    here.pop()?;
                    rest = after;
                }
            }
            _ => return self.descend(here, names, steps),
        }
        self.descend(here, rest, steps)
    }

    /// Goes from module to module along `names`.
    fn descend(&self, here: ModulePath, names: &[String], steps: usize) -> Option<ModulePath> {
        let Some((first, rest)) = names.split_first() else { return Some(here) };
        let steps = steps.checked_sub(1)?;
        let module = self.modules.get(&here)?;
        let mut child = here.clone();
        child.push(first.clone());
        if self.modules.contains_key(&child) {
            return self.descend(child, rest, steps);
        }
        if module.items.contains(first) {
            return Some(here);
        }
        for import in &module.imports {
            if import.name == *first {
                let longer: Vec<String> = import.path.iter().chain(rest).cloned().collect();
                return self.resolve(&here, &longer, steps);
            }
        }
        module.imports.iter().filter(|import| import.name == "*").find_map(|import| {
            let longer: Vec<String> = import.path.iter().chain(names).cloned().collect();
            self.resolve(&here, &longer, steps)
        })
    }
}
