"""The treatments of montages: how one is cut, what it looks like, and how it is coded."""

import dataclasses

import material

MINIMUM, MAXIMUM = 7, 300
"""Frames of a shot."""


@dataclasses.dataclass
class Treatment:
    """The treatment of a montage after it was cut."""

    name: str
    size: tuple[int, int] = (640, 360)
    fps: int = 25
    step: int = 1
    """Step between the frames of the clips that are shown."""
    contrast: float = 1.0
    lift: int = 0
    """Added to the luma after the contrast."""
    colour: float = 1.0
    shake: float = 0.0
    """Pixels of 640 by which a frame is displaced at most."""
    noise: float = 0.0
    one_clip: bool = False
    """All shots are of one clip."""
    dissolves: float = 0.2
    fades: float = 0.1
    flashes: float = 0.15
    codec: str = "libx264"
    options: str = "-preset veryfast -crf 23 -bf 2"
    filters: str = ""
    fields: int = 1
    """Number of pictures that become one frame."""
    bursts: int = 0
    """Losses of TS packets."""
    seconds: tuple[int, int] | None = None
    """Length of the montage, instead of 30 to 60."""
    shortest: int = MINIMUM
    """Frames of the shortest shot."""
    lengths: tuple[int, int] = (8, 40)
    """Frames of dissolves."""
    pick: str = ""
    """Each shot is the one of many that is most `alike` to the shot before, or that moves most (`moving`)."""
    joins: float = 0.0
    """Share of joins that are of the kind `join`."""
    join: str = ""
    """`fade_cut`: a cut within a fade. `flash_black`: a flash next to a cut from or to black."""
    ends: bool = False
    """The first and the last shot have 1 to 3 frames."""


X264 = "-preset veryfast"
BLIND = "-sc_threshold 0"
"""No keyframe where the picture changes."""
TREATMENTS = [
    Treatment("plain", options=f"{X264} -crf 23 -bf 2"),
    Treatment("blind_gop", options=f"{X264} -crf 25 -bf 2 -g 250 {BLIND}"),
    Treatment("low_bitrate", options=f"{X264} -b:v 180k -maxrate 250k -bufsize 250k -g 100 -bf 3 {BLIND}"),
    Treatment("high_bitrate", fps=30, options=f"{X264} -crf 14 -g 60 -bf 2"),
    Treatment("dark", contrast=0.16, colour=0.5, options=f"{X264} -crf 23 -g 250 {BLIND}"),
    Treatment("low_contrast", contrast=0.25, lift=95, colour=0.4),
    Treatment("black_and_white", colour=0, options=f"{X264} -crf 26 -g 50 -bf 3 {BLIND}"),
    Treatment("shake", shake=14),
    Treatment("fast", step=3, fps=24),
    Treatment(
        "interlaced",
        fps=50,
        fields=2,
        filters="tinterlace=interleave_top,setfield=tff",
        options=f"{X264} -crf 22 -bf 2 -flags +ildct+ilme -x264-params tff=1",
    ),
    Treatment("variable_rate", fps=60, filters="select='eq(n,0)+lt(random(7),0.45)'"),
    Treatment("small", size=(320, 180), options=f"{X264} -crf 28 -g 250 {BLIND}"),
    Treatment("large", size=(1920, 1080), options="-preset superfast -crf 24 -g 100"),
    Treatment("noise", noise=9, options=f"{X264} -crf 24 -bf 2"),
    Treatment("mpeg2", codec="mpeg2video", options="-b:v 2500k -maxrate 4M -bufsize 1800k -g 12 -bf 2"),
    Treatment("no_b_frames", fps=30, options=f"{X264} -tune zerolatency -b:v 900k -g 300 {BLIND}"),
    Treatment("lost_packets", bursts=7, options=f"{X264} -crf 23 -g 50 -bf 2"),
    Treatment("dissolves", dissolves=0.6),
    Treatment("fades", fades=0.5, options=f"{X264} -crf 26 -g 250 {BLIND}"),
    Treatment("flashes", flashes=0.8),
    Treatment("shake_dark", shake=10, contrast=0.3, colour=0.6, noise=3),
    Treatment("noise_low_bitrate", noise=14, options=f"{X264} -b:v 350k -g 125 -bf 2 {BLIND}"),
    Treatment(
        "interlaced_mpeg2",
        fps=50,
        fields=2,
        filters="tinterlace=interleave_top,setfield=tff",
        codec="mpeg2video",
        options="-b:v 3M -maxrate 5M -bufsize 1800k -g 12 -bf 2 -flags +ildct+ilme -alternate_scan 1 -top 1",
    ),
    Treatment("one_clip", one_clip=True, dissolves=0.05),
]

SHORT = {"seconds": (3, 5), "ends": True}
SLOW = {"shortest": 90, "dissolves": 0.9, "fades": 0, "lengths": (25, 75), "pick": "moving"}
ALIKE = {"shortest": 40, "dissolves": 0.8, "fades": 0, "lengths": (8, 50), "pick": "alike"}
LOW_BITRATE = f"{X264} -b:v 250k -maxrate 400k -bufsize 400k -g 100 -bf 3 {BLIND}"
HARD = [
    Treatment("ends", **SHORT),
    Treatment("ends_blind_gop", options=f"{X264} -crf 25 -bf 2 -g 250 {BLIND}", **SHORT),
    Treatment("ends_low_bitrate", options=LOW_BITRATE, **SHORT),
    Treatment("ends_high_rate", fps=50, options=f"{X264} -crf 20 -bf 2", **SHORT),
    Treatment("ends_mpeg2", codec="mpeg2video", options="-b:v 2500k -maxrate 4M -bufsize 1800k -g 12 -bf 2", **SHORT),
    Treatment("ends_no_b_frames", fps=30, options=f"{X264} -tune zerolatency -b:v 900k -g 300 {BLIND}", **SHORT),
    Treatment("ends_noise", noise=9, **SHORT),
    Treatment("ends_shake", shake=14, **SHORT),
    Treatment("ends_dark", contrast=0.25, colour=0.5, options=f"{X264} -crf 23 -g 250 {BLIND}", **SHORT),
    Treatment("ends_fast", step=2, **SHORT),
    Treatment("fade_cuts", joins=0.5, join="fade_cut"),
    Treatment("fade_cuts_low_bitrate", joins=0.5, join="fade_cut", options=LOW_BITRATE),
    Treatment("fade_cuts_noise", joins=0.5, join="fade_cut", noise=6, fps=30),
    Treatment("flash_black", joins=0.5, join="flash_black"),
    Treatment("flash_black_blind_gop", joins=0.5, join="flash_black", options=f"{X264} -crf 26 -bf 2 -g 250 {BLIND}"),
    Treatment("flash_black_shake", joins=0.5, join="flash_black", shake=8, fps=30),
    Treatment("slow", **SLOW),
    Treatment("slow_low_bitrate", options=LOW_BITRATE, **SLOW),
    Treatment("slow_shake", shake=4, fps=30, **SLOW),
    Treatment("slow_noise", noise=6, fps=24, **SLOW),
    Treatment("alike", **ALIKE),
    Treatment("alike_low_bitrate", options=LOW_BITRATE, **ALIKE),
    Treatment("alike_low_contrast", contrast=0.5, lift=50, fps=30, **ALIKE),
    Treatment("alike_cuts", dissolves=0.05, pick="alike"),
    Treatment("alike_cuts_fast", dissolves=0.05, pick="alike", step=2, options=LOW_BITRATE),
]
"""What is hard: cuts next to an end of the stream, a fade or a flash; slow dissolves over motion; shots that are alike."""
HARD_FROM = material.FIRST_SEED["hard"]


def treatment_of(seed):
    kinds = HARD if seed >= HARD_FROM else TREATMENTS
    return kinds[(seed - 1) % len(kinds)]
