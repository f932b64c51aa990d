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
        module
            .paths
            .iter()
            .filter(|names| !resolver.names_module(path, names))
            .for_each(|n| note(n));
        used.remove(path);
        graph.insert(path.clone(), used);
    }
    graph
}

struct Resolver<'a> {
    modules: &'a BTreeMap<ModulePath, Module>,
}

impl Resolver<'_> {
    /// Whether `name` in the code of `at` would be a module alone. Code cannot use
    /// one: it is a variable of that name, or a word for a macro.
    fn names_module(&self, at: &[String], names: &[String]) -> bool {
        let [name] = names else { return false };
        name == "crate" || self.modules.contains_key(&[at, std::slice::from_ref(name)].concat())
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn module(paths: &[&[&str]]) -> Module {
        let owned = |path: &&[&str]| path.iter().map(|part| (*part).to_owned()).collect();
        let items = BTreeSet::from(["Item".to_owned()]);
        Module { items, paths: paths.iter().map(owned).collect(), ..Module::default() }
    }

    #[test]
    fn a_variable_with_the_name_of_a_module_is_no_use_of_it() {
        let path = |parts: &[&str]| -> ModulePath { parts.iter().map(|p| (*p).into()).collect() };
        let root = module(&[&["number"], &["crate"], &["text", "Item"]]);
        let modules = BTreeMap::from([
            (path(&[]), root),
            (path(&["number"]), module(&[&["crate"], &["crate", "text", "Item"]])),
            (path(&["text"]), module(&[])),
        ]);
        let graph = of(&modules);
        let used = |parts: &[&str]| graph[&path(parts)].keys().cloned().collect::<Vec<_>>();
        assert_eq!(used(&[]), [path(&["text"])]);
        assert_eq!(used(&["number"]), [path(&["text"])]);
    }
}
