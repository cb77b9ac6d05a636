"""What a run that was killed left on a disk that a cluster shares goes with the next run; nothing else does."""

from models.registry.upkeep.shared_folders import remove_left_by_killed, shared_folder


def test_folders_of_runs_that_have_ended_go(store, tmp_path):
    place = tmp_path / "shared"
    runs = [store.client.create_run(store.experiment_id).info.run_id for _ in range(2)]
    store.client.set_terminated(runs[0], "KILLED")
    for run_id in (*runs, "of-another-store"):
        shared_folder(place, run_id).mkdir(parents=True)
    (place / runs[0]).mkdir()
    assert remove_left_by_killed(store, place) == 1
    left = {shared_folder(place, runs[1]), shared_folder(place, "of-another-store"), place / runs[0]}
    assert set(place.iterdir()) == left
