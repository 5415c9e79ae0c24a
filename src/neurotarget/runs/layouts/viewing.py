"""Commands that open a scan with its label map in freeview, FSLeyes or ITK-SNAP."""

from pathlib import Path
from shlex import quote

from neurotarget.runs.layouts.lookup_tables import FOLDER


def viewing_commands(image: Path, labels: Path, output: Path) -> dict[str, str]:
    """Command by program: freeview, fsleyes and itksnap, quoted for a shell.

    Args:
        image: scan.
        labels: its label map.
        output: folder whose `lookup/` may have tables of colours; without them the commands name
            none.
    """
    tables = {
        "freeview": ("freesurfer_lut.txt", ":lut={}"),
        "fsleyes": ("fsleyes.lut", " --lut {}"),
        "itksnap": ("itksnap.label", " -l {}"),
    }
    with_table = {}
    for program, (name, text) in tables.items():
        path = output / FOLDER / name
        with_table[program] = text.format(quote(str(path))) if path.is_file() else ""
    scan, mask = quote(str(image)), quote(str(labels))
    return {
        "freeview": f"freeview -v {scan} -v {mask}:colormap=lut{with_table['freeview']}",
        "fsleyes": f"fsleyes {scan} {mask} --overlayType label{with_table['fsleyes']}",
        "itksnap": f"itksnap -g {scan} -s {mask}{with_table['itksnap']}",
    }
