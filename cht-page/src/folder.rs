//! `build`: a page as files, for one session.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    process::report,
    storage::{draft::Draft, regular},
};

use crate::{
    args::Build,
    assets,
    data::{Known, Page},
    source::Source,
    video,
};

/// Name of the file of data.
const DATA: &str = "data.js";

/// Element of a page that other pages lack.
const SCRIPT: &[u8] = br#"<script defer src="data.js">"#;

/// Writes the page of a session.
pub(crate) fn build(options: &Build) -> Result<()> {
    let source = Source::open(&options.session)?;
    let folder = options.out.clone().unwrap_or_else(|| source.session().root().join("page"));
    let named = || folder.display().to_string();
    let is_new = !folder.exists();
    fs::create_dir_all(&folder).with_context(named)?;
    let built = refuse_foreign(&folder).and_then(|()| fill(&folder, options, &source));
    if built.is_err() && is_new {
        // It stays if it has a video, which is complete.
        let _ = fs::remove_dir(&folder);
    }
    built
}

/// Writes the files of the page into its folder.
fn fill(folder: &Path, options: &Build, source: &Source) -> Result<()> {
    let named = || folder.display().to_string();
    let base = path_from(
        &folder.canonicalize().with_context(named)?,
        &source.session().root().canonicalize().with_context(named)?,
    );
    let page = Page { base: &base, served: false, marks: false };
    let known = Known::read(source)?;
    if known.damaged > 0 {
        report::warn(format_args!(
            "{}: damaged lines were skipped: {}; cht-export check names them",
            source.session().root().display(),
            known.damaged
        ));
    }
    let root = source.session().root();
    let video = video::find(options.video.as_ref(), root, folder, known.streams.as_ref())?;
    let video = video.map(|found| found.named(|path| url_from(folder, path))).transpose()?;
    let has_video = video.is_some() || assets::has_players();
    let script = known.script(source, page, video)?;
    let html = assets::session("");
    let files = assets::all().map(|asset| (asset.name, asset.text.as_bytes()));
    // Last: a page that is there is complete.
    let files = files.into_iter().chain([(DATA, &*script), ("index.html", html.as_bytes())]);
    // None takes its place before the disk has all: a page is not made of two programs.
    let drafts: Vec<_> =
        files.map(|(name, text)| draft(&folder.join(name), text)).collect::<Result<_>>()?;
    for (path, draft) in drafts {
        draft.publish().with_context(|| path.display().to_string())?;
    }
    if !has_video {
        report::caution(format_args!(
            "the page shows pictures and no video: this program was built without the players; \
             build it by `{}`",
            assets::FETCH
        ));
    }
    report::note(format_args!("wrote {}", folder.join("index.html").display()));
    Ok(())
}

/// Refuses a folder with files of others: it has a page, or nothing but parts of one.
fn refuse_foreign(folder: &Path) -> Result<()> {
    let named = || folder.display().to_string();
    if let Ok(page) = regular::read(&folder.join("index.html"))
        && page.windows(SCRIPT.len()).any(|part| part == SCRIPT)
    {
        return Ok(());
    }
    let assets = assets::all().map(|asset| asset.name);
    for entry in fs::read_dir(folder).with_context(named)? {
        let name = entry.with_context(named)?.file_name();
        let name = name.to_string_lossy();
        // Temporary files are hidden.
        let is_ours = assets.contains(&&*name)
            || [DATA, video::NAME].contains(&&*name)
            || Path::new(&*name) == video::description(Path::new(video::NAME))
            || name.starts_with('.');
        if !is_ours {
            bail!("{}: it has {name}, and no page; name an empty folder", folder.display());
        }
    }
    Ok(())
}

/// Writes a file under a temporary name.
fn draft(path: &Path, bytes: &[u8]) -> Result<(PathBuf, Draft)> {
    let written = Draft::create(path).and_then(|mut draft| {
        draft.write_all(bytes)?;
        draft.settle()?;
        Ok(draft)
    });
    Ok((path.to_owned(), written.with_context(|| path.display().to_string())?))
}

/// Returns the path of the folder `to` as seen from the folder `from`, as a URL that ends with a
/// slash. Both are absolute and without links.
fn path_from(from: &Path, to: &Path) -> String {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    let path: PathBuf = up.chain(to.components().skip(common)).collect();
    let mut url = String::new();
    for part in path.components() {
        url += &encode(&part.as_os_str().to_string_lossy());
        url.push('/');
    }
    if url.is_empty() { "./".to_owned() } else { url }
}

/// Returns the URL of a file as seen from a folder.
fn url_from(folder: &Path, file: &Path) -> Result<String> {
    let [folder, file] =
        [folder, file].map(|path| path.canonicalize().with_context(|| path.display().to_string()));
    let (folder, file) = (folder?, file?);
    let name = encode(&file.file_name().unwrap_or_default().to_string_lossy());
    Ok(path_from(&folder, file.parent().unwrap_or(&folder)) + &name)
}

/// Encodes a name for a URL (RFC 3986 §2).
fn encode(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().fold(String::new(), |mut url, byte| {
        if is_plain(byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
        url
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_replaces_no_file_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        refuse_foreign(folder.path()).unwrap();
        // A build that was killed leaves parts.
        fs::write(path("page.js"), "").unwrap();
        refuse_foreign(folder.path()).unwrap();
        fs::write(path("index.html"), "my own site").unwrap();
        let refused = refuse_foreign(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("it has index.html, and no page"), "{refused}");
        fs::write(path("index.html"), assets::session("")).unwrap();
        fs::write(path("notes.txt"), "").unwrap();
        refuse_foreign(folder.path()).unwrap();
        fs::remove_file(path("index.html")).unwrap();
        assert!(refuse_foreign(folder.path()).is_err());
    }

    #[test]
    fn path_leads_from_page_to_session() {
        let path = |from, to| path_from(Path::new(from), Path::new(to));
        assert_eq!(path("/s/call/page", "/s/call"), "../");
        assert_eq!(path("/s/call", "/s/call"), "./");
        assert_eq!(path("/www/a", "/s/my call#1"), "../../s/my%20call%231/");
    }
}
