//! Changes as they are written: most come in runs of neighbours, whose new contents are numbered in
//! turn.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Change, Texture};

/// First block, how many, the content of the first, and their texture: the index in [`TEXTURES`].
type Run = (u32, u32, u32, u8);

const TEXTURES: [Texture; 3] = [Texture::Plain, Texture::Drawn, Texture::Filmed];

pub(crate) fn serialize<S: Serializer>(
    changes: &[Change],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut runs: Vec<Run> = Vec::new();
    for &Change { block, content, texture } in changes {
        let texture = TEXTURES.iter().position(|&known| known == texture).unwrap_or_default() as u8;
        match runs.last_mut() {
            Some((first, count, from, last))
                if *first + *count == block
                    && from.wrapping_add(*count) == content
                    && *last == texture =>
            {
                *count += 1;
            }
            _ => runs.push((block, 1, content, texture)),
        }
    }
    runs.serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Change>, D::Error> {
    // More blocks than the largest picture has are no run.
    const MOST: u32 = 1 << 20;
    let mut changes = Vec::new();
    for (block, count, content, texture) in Vec::<Run>::deserialize(deserializer)? {
        let texture = TEXTURES.get(usize::from(texture)).filter(|_| count <= MOST);
        let Some(&texture) = texture else {
            return Err(serde::de::Error::custom("no run of blocks"));
        };
        changes.extend((0..count).map(|n| Change {
            block: block.wrapping_add(n),
            content: content.wrapping_add(n),
            texture,
        }));
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
    fn neighbours_share_a_run_and_round_trip() {
        let change = |block, content, texture| Change { block, content, texture };
        let changes = vec![
            change(3, 100, Texture::Drawn),
            change(4, 101, Texture::Drawn),
            change(5, 102, Texture::Filmed),
            change(6, 7, Texture::Filmed),
            change(9, 103, Texture::Plain),
        ];
        let line = Line { changes };
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(text, r#"{"changes":[[3,2,100,1],[5,1,102,2],[6,1,7,2],[9,1,103,0]]}"#);
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }

    #[test]
    fn run_without_end_is_refused() {
        assert!(serde_json::from_str::<Line>(r#"{"changes":[[0,4294967295,0,0]]}"#).is_err());
    }
}
