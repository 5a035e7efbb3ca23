"""How a picture of any shape becomes the model's: the same for files, cameras and screens."""

from wyh.media.probe import MediaInfo
from wyh.specs import VideoSpec


def picture_filter(spec: VideoSpec) -> str:
    """The filters that make any picture the one of `spec`, for ffmpeg's `-vf`."""
    # `sar` is the shape of a pixel, `dar` that of the picture as displayed.
    width, height = spec.width, spec.height
    colours = "format=rgb24" if spec.channels == 3 else "format=gray"
    if spec.fit == "crop":
        cut_width = f"max(1,min(iw,round(ih*{width}/{height}/sar)))"
        cut_height = f"max(1,min(ih,round(iw*sar*{height}/{width})))"
        crop = f"crop=w='{cut_width}':h='{cut_height}':exact=1"
        return f"{crop},scale={width}:{height}:flags=area,{colours}"
    if spec.fit == "pad":
        fit_width = f"max(1,min({width},round({height}*dar)))"
        fit_height = f"max(1,min({height},round({width}/dar)))"
        scale = f"scale=w='{fit_width}':h='{fit_height}':flags=area"
        return f"{scale},{colours},pad={width}:{height}:(ow-iw)/2:(oh-ih)/2:color=black"
    return f"scale={width}:{height}:flags=area,{colours}"


def decoding_options(info: MediaInfo | None, spec: VideoSpec) -> list[str]:
    """Options of ffmpeg that save decoding what is not seen in a picture made so small.

    Where 64 pixels become one, the edges of blocks need no smoothing, unless in pictures that
    others are predicted from: 6 % of the time.
    """
    pixels = (info.width or 0) * (info.height or 0) if info else 0
    small = pixels >= 64 * spec.width * spec.height
    return ["-skip_loop_filter", "noref"] if small else []
