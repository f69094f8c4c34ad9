"""Generated parts of pages: written where they differ from what is there, and nowhere else."""

from convae.reproduce import readme


def test_results_and_their_block_are_written_once_and_then_nothing_is(tmp_path, monkeypatch):
    page, results = tmp_path / "README.md", tmp_path / "results.json"
    monkeypatch.setattr(readme, "ROOT", tmp_path)
    monkeypatch.setattr(readme, "README", page)
    page.write_text("\n".join(["Above", *readme.markers("results.json"), "below"]))

    def block():
        return [f"read: {results.read_text()}"]

    assert readme.publish(results, "7", block) == [str(results), str(page)]
    start, end = readme.markers("results.json")
    assert page.read_text() == f"Above\n{start}\nread: 7\n{end}\nbelow"
    assert readme.publish(results, "7", block) == []
    assert readme.publish(results, "8", block) == [str(results), str(page)]
