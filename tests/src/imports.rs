//! Reads which files of a crate import which, and finds circles among them.
//!
//! An import is a `use` of another module's item, or a path to one. `pub use` passes an item on and
//! imports nothing; unit tests may import anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::{root, source_files};

/// Path of a module, from the root of its crate.
type Module = Vec<String>;
type Graph = BTreeMap<Module, BTreeSet<Module>>;
/// Items by their name in a module, with the path of each.
type Names = BTreeMap<String, Module>;

/// The imports between the modules of a crate.
pub struct Imports(Graph);

/// The `use` declarations and paths of a module.
struct Source {
    uses: Vec<Module>,
    passed_on: Names,
    paths: Vec<Module>,
}

impl Imports {
    /// Reads the sources of a member of the workspace.
    ///
    /// # Panics
    /// If they cannot be read.
    pub fn of(member: &str) -> Self {
        let folder = root().join(member).join("src");
        let mut code: BTreeMap<Module, String> = BTreeMap::new();
        for path in source_files() {
            let Ok(inside) = path.strip_prefix(&folder) else { continue };
            let name = inside.with_extension("");
            let mut module: Module = name.iter().map(|it| it.to_string_lossy().into()).collect();
            module.pop_if(|last| ["mod", "lib", "main"].contains(&last.as_str()));
            if module.last().is_none_or(|last| last != "tests" && last != "testutil") {
                let text = fs::read_to_string(&path).expect("a source file");
                *code.entry(module).or_default() += &without_tests_and_comments(&text);
            }
        }
        let sources = code.iter().map(|(module, code)| (module.clone(), Source::of(code)));
        Self(graph(&sources.collect()))
    }

    /// Returns a circle of files, if there is one.
    pub fn circle_of_files(&self) -> Option<String> {
        circle(self.0.clone())
    }

    /// Returns a circle among the folders of the crate and the files next to them, if there is one.
    pub fn circle_of_folders(&self) -> Option<String> {
        let mut folders = Graph::new();
        for (from, targets) in self.0.iter().filter(|(from, _)| !from.is_empty()) {
            let others = targets.iter().filter(|to| !to.is_empty() && to[0] != from[0]);
            let others = others.map(|to| to[..1].to_vec());
            folders.entry(from[..1].to_vec()).or_default().extend(others);
        }
        circle(folders)
    }
}

fn without_tests_and_comments(text: &str) -> String {
    // At column 0 it stands before the unit tests.
    let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

impl Source {
    fn of(code: &str) -> Self {
        let mut source = Self { uses: Vec::new(), passed_on: Names::new(), paths: Vec::new() };
        for statement in code.split(';') {
            let is_tree = |tree: &str| {
                tree.chars()
                    .all(|c| c.is_alphanumeric() || c.is_whitespace() || "_:{},*".contains(c))
            };
            let found = statement.rsplit_once("use ").filter(|(_, tree)| is_tree(tree));
            let rest = found.map_or(statement, |(before, _)| before);
            let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let paths = rest.split(|c| !is_path(c)).filter(|path| path.contains("::"));
            source.paths.extend(paths.map(path));
            let Some((before, tree)) = found else { continue };
            let is_public = before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
            for (name, path) in leaves(&tree.split_whitespace().collect::<Vec<_>>().join(" ")) {
                if is_public {
                    source.passed_on.insert(name, path);
                } else {
                    source.uses.push(path);
                }
            }
        }
        source
    }
}

fn path(text: &str) -> Module {
    text.split("::").filter(|it| !it.is_empty()).map(|it| it.trim().to_owned()).collect()
}

/// Returns the items of a `use` tree with their names.
fn leaves(tree: &str) -> Vec<(String, Module)> {
    let Some((stem, list)) = tree.trim().split_once('{') else {
        let (item, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let mut item = path(item);
        item.pop_if(|last| last == "self");
        let name =
            if name.is_empty() { item.last().cloned().unwrap_or_default() } else { name.into() };
        return vec![(name, item)];
    };
    let mut depth = 0;
    let list = list.trim_end().strip_suffix('}').unwrap_or(list);
    let branches = list.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    let branches = branches.filter(|branch| !branch.trim().is_empty());
    branches.flat_map(|branch| leaves(&format!("{stem}{}", branch.trim()))).collect()
}

fn graph(sources: &BTreeMap<Module, Source>) -> Graph {
    let mut graph = Graph::new();
    for (module, source) in sources {
        // A module that was imported may begin a path.
        let absolute = |path: &Module| absolute(path, module, sources);
        let modules = source.uses.iter().filter_map(|path| {
            Some((path.last()?.clone(), absolute(path).filter(|it| sources.contains_key(it))?))
        });
        let modules: Names = modules.collect();
        let through = |path: &Module| {
            let (first, rest) = path.split_first()?;
            Some([modules.get(first)?.as_slice(), rest].concat())
        };
        let uses = source.uses.iter().filter_map(absolute);
        let paths = source.paths.iter().filter_map(|path| absolute(path).or_else(|| through(path)));
        let targets = uses.chain(paths).filter_map(|path| resolve(&path, sources, 0));
        graph.insert(module.clone(), targets.filter(|target| target != module).collect());
    }
    graph
}

/// Returns a path from the root of the crate; `None` if it leads out of it.
fn absolute(path: &Module, module: &Module, sources: &BTreeMap<Module, Source>) -> Option<Module> {
    let ups = path.iter().take_while(|it| *it == "super").count();
    let here = [module.as_slice(), path.get(..1)?].concat();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some([module, &path[1..]].concat()),
        "super" => Some([module.get(..module.len().checked_sub(ups)?)?, &path[ups..]].concat()),
        _ if sources.contains_key(&here) => Some([module.as_slice(), path].concat()),
        _ => None,
    }
}

/// Returns the module that defines the item at a path.
fn resolve(path: &Module, sources: &BTreeMap<Module, Source>, depth: usize) -> Option<Module> {
    let (module, rest) = (0..=path.len()).rev().find_map(|end| {
        let module = path[..end].to_vec();
        sources.contains_key(&module).then(|| (module, &path[end..]))
    })?;
    let passed_on = rest.first().and_then(|item| sources[&module].passed_on.get(item));
    let elsewhere = passed_on.filter(|_| depth < 6).and_then(|path| {
        let path = absolute(path, &module, sources)?;
        resolve(&[path.as_slice(), &rest[1..]].concat(), sources, depth + 1)
    });
    elsewhere.or(Some(module))
}

fn circle(mut graph: Graph) -> Option<String> {
    // Modules that import nothing of the rest are in no circle.
    loop {
        let before = graph.len();
        let known: BTreeSet<Module> = graph.keys().cloned().collect();
        for targets in graph.values_mut() {
            targets.retain(|target| known.contains(target));
        }
        graph.retain(|_, targets| !targets.is_empty());
        if graph.len() == before {
            break;
        }
    }
    let mut walk = vec![graph.keys().next()?];
    loop {
        let next = graph[*walk.last()?].first()?;
        let again = walk.iter().position(|module| *module == next);
        walk.push(next);
        if let Some(first) = again {
            let names = walk[first..].iter().map(|module| match module.join("/") {
                root if root.is_empty() => "the root".to_owned(),
                name => name,
            });
            return Some(names.collect::<Vec<_>>().join(" -> "));
        }
    }
}
