//! Changes as they are written: most come in runs of neighbours, whose new contents are numbered in turn.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Change;

/// First block, how many, and the content of the first.
type Run = (u32, u32, u32);

pub(super) fn serialize<S: Serializer>(
    changes: &[Change],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut runs: Vec<Run> = Vec::new();
    for &Change { block, content } in changes {
        match runs.last_mut() {
            Some((first, count, from))
                if *first + *count == block && from.wrapping_add(*count) == content =>
            {
                *count += 1;
            }
            _ => runs.push((block, 1, content)),
        }
    }
    runs.serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Change>, D::Error> {
    // More blocks than the largest picture has are no run.
    const MOST: u32 = 1 << 20;
    let mut changes = Vec::new();
    for (block, count, content) in Vec::<Run>::deserialize(deserializer)? {
        if count > MOST {
            return Err(serde::de::Error::custom("a run of more blocks than any picture has"));
        }
        changes.extend(
            (0..count)
                .map(|n| Change { block: block.wrapping_add(n), content: content.wrapping_add(n) }),
        );
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Line {
        #[serde(with = "super")]
        changes: Vec<Change>,
    }

    #[test]
    fn what_is_written_is_read_again_and_neighbours_share_a_run() {
        let change = |block, content| Change { block, content };
        let changes =
            vec![change(3, 100), change(4, 101), change(5, 102), change(6, 7), change(9, 103)];
        let line = Line { changes };
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(text, r#"{"changes":[[3,3,100],[6,1,7],[9,1,103]]}"#);
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }

    #[test]
    fn a_run_without_end_is_refused() {
        assert!(serde_json::from_str::<Line>(r#"{"changes":[[0,4294967295,0]]}"#).is_err());
    }
}
