"""The Homebrew formula, for a tap: it installs the released archives, and builds nothing."""

from . import archive
from .project import Project
from .targets import Binary

_TEMPLATE = """\
class McpTether < Formula
  desc "{description}"
  homepage "{repository}"
  version "{version}"
  license any_of: ["MIT", "Apache-2.0"]

{downloads}
  def install
    bin.install "mcp-tether"
    man1.install Dir["man/man1/*.1"]
    bash_completion.install "completions/mcp-tether.bash" => "mcp-tether"
    zsh_completion.install "completions/_mcp-tether"
    fish_completion.install "completions/mcp-tether.fish"
    doc.install "THIRD-PARTY-LICENSES.txt"
  end

  test do
    assert_match version.to_s, shell_output("#{{bin}}/mcp-tether --version")
    system bin/"mcp-tether", "demo", "--try", "--port", "0"
  end
end
"""
_SYSTEMS = [("macos", "darwin"), ("linux", "linux")]
_PROCESSORS = [("arm", "arm64"), ("intel", "x64")]


def make(project: Project, archives: list[tuple[Binary, str]]) -> bytes:
    """`archives` are the binaries with the SHA-256 sums of their archives."""
    downloads = ""
    for system, platform in _SYSTEMS:
        part = ""
        for processor, arch in _PROCESSORS:
            for binary, sha256 in archives:
                if (binary.target.platform, binary.target.arch) == (platform, arch):
                    file = f"{archive.name(project, binary)}.{archive.suffix(binary)}"
                    part += f"    on_{processor} do\n"
                    part += f'      url "{project.repository}/releases/download/v{project.version}/{file}"\n'
                    part += f'      sha256 "{sha256}"\n    end\n'
        if part:
            downloads += f"  on_{system} do\n{part}  end\n"
    return _TEMPLATE.format(
        # As `brew audit` wants it: without an article, and with a capital letter.
        description=project.description.removeprefix("A ").replace("b", "B", 1),
        repository=project.repository,
        version=project.version,
        downloads=downloads,
    ).encode()
