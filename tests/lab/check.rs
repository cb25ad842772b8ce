//! Checks the invariants of `ARCHITECTURE.md` on the disk after a round.

mod folder;
mod frames;
mod index;
mod playlist;
mod recording;

use std::path::Path;

use crate::{
    pipeline::{Place, run_finished},
    plan::Plan,
    round::Done,
};

/// Findings, and the number of frames.
pub(crate) fn all(plan: &Plan, place: &Place, done: &Done, stream: &[u8]) -> (Vec<String>, usize) {
    let session = place.session();
    let mut findings = recording::check(plan, place, done, stream);
    findings.extend(playlist::check(&session));
    // The live pipeline, restarted until it ended in order, has left nothing to do.
    let live = frames::of(&session);
    let mut options = plan.scenes_options();
    let (complaints, _) = run_finished(place, &session, &options);
    findings.extend(complaints);
    let after = frames::of(&session);
    findings.extend(index::check(&session, done, plan.loses_frames()));
    findings.extend(folder::check(place, done));
    if plan.loses_frames() {
        findings.extend(frames::in_order(&after));
    } else {
        findings.extend(frames::compare("a later run changes", &live, &after));
        let copy = place.root.join("reference/live");
        copy_session(&session, &copy);
        options.extend(["--jobs".to_owned(), "1".to_owned()]);
        let (complaints, _) = run_finished(place, &copy, &options);
        findings.extend(complaints);
        let reference = frames::of(&copy);
        findings.extend(frames::compare("not the frames of one run", &reference, &after));
    }
    (findings, after.len())
}

/// Copies a recording, with a record that names the copy.
fn copy_session(from: &Path, to: &Path) {
    for folder in ["stream", "frames"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
    }
    for entry in std::fs::read_dir(from.join("stream")).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join("stream").join(path.file_name().unwrap());
        if path.ends_with("segments.ndjson") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.replace(from.to_str().unwrap(), to.to_str().unwrap());
            std::fs::write(target, text).unwrap();
        } else if path.is_file() && path.extension() != Some("tmp".as_ref()) {
            std::fs::copy(&path, target).unwrap();
        }
    }
}
