import RingBridge
import Testing

@Suite("Ids and plans") struct PlanTests {
    @Test("A plan is read as it was written")
    func plan() {
        var plan = WindowPlan(acknowledged: 7)
        for lane in [1, 1, 0, 3, 3, 3, 1] { plan.append(lane: lane) }
        #expect(plan.description == "7 1*2 0*1 3*3 1*1")
        #expect(WindowPlan(plan.description) == plan)
        #expect(plan.lanes(after: 3) == [3, 3, 3, 1])
    }
}
